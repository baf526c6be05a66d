"""Settings of this process, from Python, the environment and the configuration file.

`configure` overrides the environment (``VOXOME_<NAME>``), which overrides the table ``[settings]`` of the configuration
file, which overrides the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from voxome.config.file import default_path, read_config
from voxome.errors import InvalidInput, UnknownName

PREFIX = "VOXOME_"
_LOCAL = frozenset({"cache", "config", "state", "threads"})
"""Settings that depend on the machine."""
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Settings(BaseSettings):
    """Settings of a process; none of them is secret."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    cache_bytes: NotNegative = Field(0, description="Bytes of decoded chunks that are cached")
    file_concurrency: Positive = Field(8, description="Concurrent reads and writes of files")
    http_concurrency: Positive = Field(32, description="Concurrent requests for chunks over HTTP, S3 and GCS")
    retries: NotNegative = Field(6, description="Further attempts at a failed request for chunks")
    stall_s: Positive = Field(10, description="Seconds without data after which a request for chunks is repeated")
    operation_s: Positive = Field(3600, description="Time limit of one operation on chunks, in seconds")
    bossdb_workers: Positive = Field(8, description="Concurrent requests for voxels of a BossDB")
    bossdb_request_mib: Annotated[int, Field(ge=1, le=512)] = Field(8, description="Size of such a request in MiB")
    dvid_workers: Positive = Field(8, description="Concurrent requests for voxels of a DVID; 1 with `?throttle=true`")
    dvid_request_voxels: Positive = Field(1 << 22, description="Voxels of such a request")
    transfer_block_bytes: Positive = Field(1 << 25, description="Size of a block of a transfer, if chunks are smaller")
    threads: Positive = Field(1, description="Threads of a neural network on the CPU")
    state: Path | None = Field(None, description="Folder for transfer progress; default: the user's cache folder")
    cache: Path | None = Field(None, description="Folder for files of `dataset:NAME`; default: the user's cache folder")
    profile: str | None = Field(None, description="Profile in use; default: the one that the configuration file names")
    config: Path | None = Field(None, description="Configuration file; default: `config.toml` in the user's folder")
    keyring: bool = Field(False, description="Whether to look up tokens in the system's keyring")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, read_config(config_path()).settings)


VARIABLES = {name: f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
"""Name of a setting → its environment variable."""
_overrides: dict[str, Any] = {}
_last: list[tuple[tuple[str | None, ...], Settings]] = []
"""The settings in force, with the environment that they were read from."""
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
    environment = tuple(map(os.environ.get, VARIABLES.values()))
    for known, current in _last:
        if known == environment:
            return current
    with _LOCK:
        current = _load(_overrides)
        _last[:] = [(environment, current)]
    return current


def configure(**values: Any) -> None:
    """Change settings of this process; None restores what the environment, the file or the default says.

    It may be called at any time. What concerns chunks (``cache_bytes``, ``file_concurrency``, ``http_concurrency``,
    ``retries``, ``stall_s``, ``operation_s``) holds for volumes opened afterwards. Workers of runs and transfers adopt
    the settings too.

    Parameters
    ----------
    **values
        Settings by name; see `voxome.config.settings.Settings`.

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
        if name not in Settings.model_fields:
            raise UnknownName.of("setting", name, Settings.model_fields)
    merged = {name: value for name, value in {**_overrides, **values}.items() if value is not None}
    _replace(merged)


def exported() -> dict[str, Any]:
    """Return the settings that were changed from their defaults, as JSON values for workers elsewhere.

    Those of this machine stay out, but for the configuration file: a worker with another home finds it by its path.
    """
    current = settings()
    chosen = current.model_dump(mode="json", include=current.model_fields_set - _LOCAL)
    file = config_path().absolute()
    return {**chosen, "config": str(file)} if file.exists() else chosen


def adopt(values: Mapping[str, Any]) -> None:
    """Replace the settings of this process by those that `exported` returned in the process of the run.

    A configuration file that does not exist on this machine is ignored. If there is no other, the profile is ignored
    too: stores are then opened with what the environment has.
    """
    if _adopted == [values]:
        return
    here = {name: value for name, value in values.items() if name != "config" or Path(value).exists()}
    if "config" not in here and not _file_of_machine().exists():
        here.pop("profile", None)
    if here != _overrides:
        _replace(here)
    _adopted[:] = [values]


def config_path() -> Path:
    """Return the path of the configuration file, which need not exist."""
    return Path(_overrides.get("config") or _file_of_machine())


def _file_of_machine() -> Path:
    return Path(os.environ.get(VARIABLES["config"]) or default_path())


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


def _load(overrides: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = "; ".join(_problem(one, overrides) for one in error.errors())
        raise InvalidInput(f"Invalid settings: {problems}") from None


def _problem(error: ErrorDetails, overrides: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        source = "" if name in overrides else f"{config_path()}: "
        return f"{source}{UnknownName.of('setting', name, Settings.model_fields)}"
    if name in overrides:
        source = name
    elif os.environ.get(VARIABLES[name]):
        source = VARIABLES[name]
    else:
        source = f"{name} in {config_path()}"
    return f"{source} is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"
