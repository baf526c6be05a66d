"""Provenance in JSON metadata: the entries of voxome, and what other programs wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from voxome.contracts.formats import PROVENANCE
from voxome.contracts.provenance import ATTRIBUTE, OTHER, Provenance
from voxome.errors import CorruptData, VoxomeError, describe_value

_OF_OTHERS = ("provenance", "history", "_creator", "creator", "software")
"""Attributes in which other programs say what made an array."""


def entry_json(one: Provenance) -> dict[str, Any]:
    """Return an entry as JSON values: one of voxome with its format, one of others as they wrote it."""
    return dict(one.parameters) if one.way == OTHER else one.to_json()


def parse_entry(data: object, origin: str) -> Provenance:
    """Return an entry; one that this voxome cannot read, or that others wrote, as it is."""
    if isinstance(data, Mapping) and data.get("voxome") == PROVENANCE.name:
        try:
            return Provenance.from_json(data, origin)
        except VoxomeError:
            pass
    return Provenance.of_others(origin, data)


def parse_entries(data: object, origin: str) -> tuple[Provenance, ...]:
    """Return the entries of a list; anything else is one entry of others."""
    return tuple(parse_entry(one, origin) for one in (data if isinstance(data, list) else [data]))


def read_attributes(attributes: Mapping[str, Any]) -> tuple[Provenance, ...]:
    """Return the entries among the attributes of an array: those of others, then ours."""
    found: Iterable[str] = [name for name in (*_OF_OTHERS, ATTRIBUTE) if attributes.get(name)]
    return tuple(one for name in found for one in parse_entries(attributes[name], f"attribute {name}"))


def with_entry(attributes: Mapping[str, Any], one: Provenance, where: object) -> dict[str, Any]:
    """Return attributes with one more entry; `where` is their file, for messages.

    Raises
    ------
    CorruptData
        If the attribute for entries is something else than a list.
    """
    entries = require_entries(attributes.get(ATTRIBUTE, []), f"{where}: the attribute {ATTRIBUTE}")
    return {**attributes, ATTRIBUTE: [*entries, entry_json(one)]}


def require_entries(value: object, name: str) -> list[Any]:
    """Return a list of entries.

    Raises
    ------
    CorruptData
        If it is something else, which is kept; the message has its `name`.
    """
    if not isinstance(value, list):
        raise CorruptData(f"{name} is {describe_value(value)}; expected a list of entries: correct it")
    return value
