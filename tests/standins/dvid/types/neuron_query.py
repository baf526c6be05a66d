"""Queries of neurons: as in DVID, of integers and strings only, in fields with one or a list of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from standins.dvid.calls import Call

Query = dict[str, Any]


def parse_queries(call: Call) -> list[Query]:
    """Parse the queries in a request: an object, or a list of objects of which one must match."""
    if call.body.lstrip().startswith(b"["):
        return call.json(list[Query])
    return [call.json(Query)]


def matches(neuron: Mapping[str, Any], query: Query) -> bool:
    """Return whether all fields match a query."""
    return all(_field_matches(neuron.get(field), criterion) for field, criterion in query.items())


def _field_matches(value: Any, criterion: Any) -> bool:
    if isinstance(criterion, str) and re.fullmatch("exists/.", criterion):
        return (value is not None) == (criterion != "exists/0")
    choices = criterion if isinstance(criterion, list) else [criterion]
    if not _same_type(choices):
        return False
    return any(_matches_one(item, choice) for item in _as_list(value) for choice in choices)


def _matches_one(item: Any, choice: Any) -> bool:
    if isinstance(choice, str) and choice.startswith("re/") and isinstance(item, str):
        return re.search(choice.removeprefix("re/"), item) is not None
    return type(item) is type(choice) and item == choice


def _as_list(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return values if _same_type(values) else []


def _same_type(values: list[Any]) -> bool:
    return bool(values) and {type(value) for value in values} in ({int}, {str})
