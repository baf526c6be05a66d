"""Settings of this process, from Python, the environment and the configuration file.

`configure` overrides the environment (``VOXOME_<NAME>``), which overrides the table ``[settings]`` of the configuration
file, which overrides the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from voxome.calls import explain_calls
from voxome.config.values import LOCAL, VARIABLES, Settings, config_file
from voxome.config.variables import warn_of_unknown_variables
from voxome.errors import InvalidInput, UnknownName

_overrides: dict[str, Any] = {}
_last: list[tuple[tuple[str | None, ...], Settings, frozenset[str]]] = []
"""The environment that was read last, the settings in force, and the names of those that are set somewhere."""
_adopted: list[Mapping[str, Any]] = []
"""The settings that `adopt` was last called with; the next job mostly has the same."""
_LOCK = RLock()
"""Held while `_overrides` or `_last` change."""


def settings() -> Settings:
    """Return the settings in force.

    Raises
    ------
    InvalidInput
        With every value that is invalid, and where it was set.
    """
    return _in_force()[0]


def _in_force() -> tuple[Settings, frozenset[str]]:
    environment = tuple(map(os.environ.get, VARIABLES.values()))
    for known, current, names in _last:
        if known == environment:
            return current, names
    with _LOCK:
        current, names = _read(_overrides, environment)
        _last[:] = [(environment, current, names)]
    return current, names


def _read(overrides: Mapping[str, Any], environment: tuple[str | None, ...]) -> tuple[Settings, frozenset[str]]:
    """Read the settings; pydantic takes long to import, and validates only what is set."""
    warn_of_unknown_variables()
    if not overrides and not any(environment) and not config_path().exists():
        return Settings(), frozenset()
    from voxome.config.sources import read_settings

    return read_settings(overrides)


@explain_calls
def configure(**values: Any) -> None:
    """Change settings of this process; None restores what the environment, the file or the default says.

    It may be called at any time. What concerns chunks (``cache_bytes``, ``file_concurrency``, ``http_concurrency``,
    ``retries``, ``stall_s``, ``operation_s``) holds for volumes opened afterwards. Workers of runs and transfers adopt
    the settings too.

    Parameters
    ----------
    **values
        Settings by name; see `voxome.config.values.Settings`.

    Raises
    ------
    UnknownName
        If the setting does not exist; the message suggests the closest match.
    InvalidInput
        If a value is invalid; no setting is changed then.

    Examples
    --------
    >>> import voxome
    >>> voxome.configure(http_concurrency=64)
    >>> voxome.configure(http_concurrency=None)
    """
    for name in values:
        if name not in VARIABLES:
            raise UnknownName.of("setting", name, VARIABLES)
    merged = {name: value for name, value in {**_overrides, **values}.items() if value is not None}
    _replace(merged)


def exported() -> dict[str, Any]:
    """Return the settings that were changed from their defaults, as JSON values for workers elsewhere.

    Those of this machine stay out, but for the configuration file: a worker with another home finds it by its path.
    """
    current, names = _in_force()
    values = {name: getattr(current, name) for name in VARIABLES if name in names - LOCAL}
    file = config_path().absolute()
    return {**values, "config": str(file)} if file.exists() else values


def adopt(values: Mapping[str, Any]) -> None:
    """Replace the settings of this process by those that `exported` returned in the process of the run.

    A configuration file that does not exist on this machine is ignored. If there is no other, the profile is ignored
    too: stores are then opened with what the environment has.
    """
    if _adopted == [values]:
        return
    here = {name: value for name, value in values.items() if name != "config" or Path(value).exists()}
    if "config" not in here and not config_file().exists():
        here.pop("profile", None)
    if here != _overrides:
        _replace(here)
    _adopted[:] = [values]


def in_worker() -> bool:
    """Return whether this process performs the jobs of another one, whose settings it has adopted."""
    return bool(_adopted)


def config_path() -> Path:
    """Return the path of the configuration file, which need not exist."""
    return config_file(_overrides.get("config"))


def _replace(overrides: dict[str, Any]) -> None:
    with _LOCK:
        before = dict(_overrides)
        _overrides.clear()
        _overrides.update(overrides)
        _last.clear()
        _adopted.clear()
        try:
            settings()
        except InvalidInput:
            _overrides.clear()
            _overrides.update(before)
            raise
