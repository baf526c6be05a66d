"""Which neurons a query matches: as in DVID, integers and texts only, in fields that hold one or a list of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from standins.dvid.calls import Call

Query = dict[str, Any]


def queries_of(call: Call) -> list[Query]:
    """The queries in the body of a request, of which one must match: an object or a list of them."""
    if call.body.lstrip().startswith(b"["):
        return call.json(list[Query])
    return [call.json(Query)]


def matches(neuron: Mapping[str, Any], query: Query) -> bool:
    """Whether every field that a query names is as it wants."""
    return all(_field_matches(neuron.get(field), wanted) for field, wanted in query.items())


def _field_matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and re.fullmatch("exists/.", wanted):
        return (value is not None) == (wanted != "exists/0")
    choices = wanted if isinstance(wanted, list) else [wanted]
    if not _same_kind(choices):
        return False
    return any(_matches_one(own, choice) for own in _several(value) for choice in choices)


def _matches_one(own: Any, choice: Any) -> bool:
    if isinstance(choice, str) and choice.startswith("re/") and isinstance(own, str):
        return re.search(choice.removeprefix("re/"), own) is not None
    return type(own) is type(choice) and own == choice


def _several(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return values if _same_kind(values) else []


def _same_kind(values: list[Any]) -> bool:
    return bool(values) and {type(value) for value in values} in ({int}, {str})
