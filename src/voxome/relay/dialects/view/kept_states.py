"""States that people share by a short link."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from voxome.errors import AlreadyExists, InvalidInput, NotFound
from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.viewer.state_text import State

LARGEST_BYTES = 8 * 2**20
"""Of a state, as JSON."""
LARGEST_ANONYMOUS_BYTES = 2**18
"""Of a state that somebody shares without an account."""
MOST_STATES = 1000
"""Of one owner, after which the oldest are removed; all visitors without an account are one."""
MOST_OF_ADDRESS = 100
"""Of the visitors without an account from one address, so that they do not push out those of others."""

_BASE = "{base}"
"""Stands for the address of the relay, which each visitor may know by another name."""


@dataclass(frozen=True, kw_only=True)
class SharedState(Record):
    """A state that somebody shares."""

    KEY = ("id",)

    id: str
    owner: str
    address: str
    """From which it was shared without an account; else empty."""
    created_s: float
    """When it was shared for the last time."""


@dataclass(frozen=True, kw_only=True)
class StateText(Record):
    """The JSON of a shared state."""

    KEY = ("id",)

    id: str
    text: str = field(repr=False)


def keep_state(catalogue: Catalogue, state: State, base: str, owner: str, address: str = "") -> str:
    """Keep a state, in place of the oldest of an owner with many; return its id, the same for the same state.

    A state that is kept already is new again. One that was shared without an account gets the first owner.

    Parameters
    ----------
    catalogue : Catalogue
        Where it is kept.
    state : dict
        What Neuroglancer shows.
    base : str
        Address of the relay, with a slash at the end.
    owner : str
        Who shares it; empty without an account.
    address : str
        From which somebody without an account shares it.

    Raises
    ------
    InvalidInput
        If it is too large.
    """
    text = json.dumps(_replaced(state, base, _BASE), separators=(",", ":"), sort_keys=True, allow_nan=False)
    largest = LARGEST_BYTES if owner else LARGEST_ANONYMOUS_BYTES
    if len(text) > largest:
        hint = "" if owner else "; sign in, or use the whole link"
        raise InvalidInput(f"the state has {len(text)} bytes; expected at most {largest}{hint}")
    id = hashlib.sha256(text.encode()).hexdigest()[:16]
    record = SharedState(id=id, owner=owner, address="" if owner else address, created_s=time.time())
    try:
        catalogue.change(record, lambda kept: _renewed(kept, record))
    except NotFound:
        if not owner:
            _remove_oldest(catalogue, MOST_OF_ADDRESS, owner="", address=address)
        _remove_oldest(catalogue, MOST_STATES, owner=owner)
        with suppress(AlreadyExists):  # kept by another request, at the same time
            catalogue.write(add=[StateText(id=id, text=text), record])
    return id


def find_state(catalogue: Catalogue, id: str, base: str, may_see: Callable[[str], bool]) -> State:
    """Return a kept state for a visitor.

    Parameters
    ----------
    catalogue : Catalogue
        Where it is kept.
    id : str
        What `keep_state` returned.
    base : str
        Address of the relay, with a slash at the end.
    may_see : function
        Whether the visitor may see the source with this address; layers of others are left out.

    Raises
    ------
    NotFound
        If there is no such state.
    """
    state = json.loads(catalogue.get(StateText, id).text)
    state = _replaced(state, _BASE, base)
    layers = state.get("layers")
    if isinstance(layers, list):
        state["layers"] = [one for one in layers if all(map(may_see, _addresses(one)))]
    return dict(state)


def states_of(catalogue: Catalogue, owner: str) -> list[Record]:
    """Return all records of the states that an owner shares."""
    shared = catalogue.find(SharedState, owner=owner)
    return [*shared, *(text for one in shared for text in catalogue.find(StateText, id=one.id))]


def _renewed(kept: SharedState, again: SharedState) -> SharedState:
    """Return the record of a state that is shared again; who has an account does not lose it to one who has none."""
    return replace(again if again.owner and not kept.owner else kept, created_s=again.created_s)


def _remove_oldest(catalogue: Catalogue, most: int, **equal: str) -> None:
    """Make room for one more state among those whose fields equal `equal`."""
    shared = sorted(catalogue.find(SharedState, **equal), key=lambda one: one.created_s)
    for one in shared[: max(0, len(shared) - most + 1)]:
        with suppress(NotFound):  # removed by another request, at the same time
            catalogue.write(remove=[*catalogue.find(StateText, id=one.id), one])


def _addresses(layer: Any) -> list[str]:
    """Return all texts of the sources of a layer."""
    source = layer.get("source", []) if isinstance(layer, dict) else []
    entries = source if isinstance(source, list) else [source]
    return [str(one.get("url", "")) if isinstance(one, dict) else str(one) for one in entries]


def _replaced(value: Any, old: str, new: str) -> Any:
    """Return JSON with `old` replaced by `new` in all texts, but not in names."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [_replaced(one, old, new) for one in value]
    if isinstance(value, dict):
        return {name: _replaced(one, old, new) for name, one in value.items()}
    return value
