"""Environment variables of voxome, and warnings of those that are none."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal, NamedTuple, cast

from voxome.config.values import PREFIX, VARIABLES
from voxome.errors import suggest
from voxome.registry import targets

_OF_A_STORE = re.compile(rf"{PREFIX}([A-Z0-9_]+)_(HOST|TOKEN)")
_LOG = logging.getLogger(__name__)
OF_COMMANDS = RUN, STEP = "VOXOME_RUN", "VOXOME_STEP"
"""Variables that foreign programs see: id of the run, and name of the job in it."""
OF_BENCHMARKS = "VOXOME_SHARED"
"""Folder of the data that benchmarks and tests read."""


class StoreVariable(NamedTuple):
    """An environment variable with the host or token of a store.

    Attributes
    ----------
    name : str
        Name of the variable.
    store : str
        Name of the store, as in a profile: bossdb, dvid_admin, …
    part : {"host", "token"}
        What it gives.
    """

    name: str
    store: str
    part: Literal["host", "token"]


def store_variables(environment: Mapping[str, str]) -> Iterator[StoreVariable]:
    """Yield the variables of the hosts and tokens of stores, sorted by name; an empty one is not set."""
    for name in sorted(name for name, value in environment.items() if value):
        if matched := _OF_A_STORE.fullmatch(name):
            yield StoreVariable(name, matched[1].lower(), cast(Literal["host", "token"], matched[2].lower()))


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable whose name begins like those of voxome, but is unknown.

    Examples
    --------
    >>> unknown_variables({"VOXOME_RETIRES": "3", "VOXOME_LAB_TOKEN": "abc"})
    ["VOXOME_RETIRES is not a variable of voxome; did you mean 'VOXOME_RETRIES'?"]
    """
    known = {*VARIABLES.values(), *OF_COMMANDS, OF_BENCHMARKS}
    names = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return [f"{name} is not a variable of voxome{hint}" for name in names if (hint := _hint(name)) is not None]


def _hint(name: str) -> str | None:
    """Return the end of the sentence about an unknown variable; None if it may be that of a plug-in's store."""
    store = _OF_A_STORE.fullmatch(name)
    if store is None:
        settings = {one.removeprefix(PREFIX): one for one in VARIABLES.values()}
        return suggest(name.removeprefix(PREFIX), settings, settings.get) or "; it has no effect"
    names = {one: f"{PREFIX}{one}_{store[2]}" for one in _stores()}
    return None if store[1] in names else suggest(store[1], names, names.get) or None


def _stores() -> Iterator[str]:
    """Yield the names of the stores, and of their administrators, as variables have them."""
    for scheme in (*targets("voxome.remotes"), *targets("voxome.storage")):
        yield scheme.upper()
        yield f"{scheme.upper()}_ADMIN"


@cache
def warn_of_unknown_variables() -> None:
    """Log a warning for each unknown variable, once in a process."""
    for sentence in unknown_variables(os.environ):
        _LOG.warning("%s", sentence)
