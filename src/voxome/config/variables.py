"""Environment variables of voxome, and warnings of those that are none."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from functools import cache

from voxome.config.values import PREFIX, VARIABLES
from voxome.errors import suggest

STORES = ("BOSSDB", "DVID", "DVID_ADMIN", "GRAPHENE", "GS", "S3")
"""Stores whose host and token the environment may have; plug-ins may have others."""
_OF_A_STORE = re.compile(rf"{PREFIX}(\w+)_(HOST|TOKEN)")
_OTHERS = frozenset({"VOXOME_SHARED"})
"""Variables of the tests."""
_LOG = logging.getLogger(__name__)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that looks like one of voxome, and is none.

    Examples
    --------
    >>> unknown_variables({"VOXOME_RETIRES": "3", "VOXOME_LAB_TOKEN": "abc"})
    ["VOXOME_RETIRES is not a variable of voxome; did you mean 'VOXOME_RETRIES'?"]
    """
    known = {*VARIABLES.values(), *_OTHERS}
    names = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return [f"{name} is not a variable of voxome{hint}" for name in names if (hint := _hint(name)) is not None]


def _hint(name: str) -> str | None:
    """Return the end of the sentence about an unknown variable; None if it may be that of a plug-in's store."""
    store = _OF_A_STORE.fullmatch(name)
    if store is None:
        settings = {one.removeprefix(PREFIX): one for one in VARIABLES.values()}
        return suggest(name.removeprefix(PREFIX), settings, settings.get) or "; it has no effect"
    names = {one: f"{PREFIX}{one}_{store[2]}" for one in STORES}
    return None if store[1] in STORES else suggest(store[1], names, names.get) or None


@cache
def warn_of_unknown_variables() -> None:
    """Log a warning for each unknown variable, once in a process."""
    for sentence in unknown_variables(os.environ):
        _LOG.warning("%s", sentence)
