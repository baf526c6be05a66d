"""Elements of annotations, as strict as Go reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from standins.dvid.calls import Refusal

Element = Mapping[str, Any]

_KINDS = {"Unknown", "PostSyn", "PreSyn", "Gap", "Note"}
_RELATIONS = {"UnknownRelationship", "PostSynTo", "PreSynTo", "ConvergentTo", "GroupedWith"}


class Relation(BaseModel):
    """To which other element it is related, and how."""

    Rel: str = "UnknownRelationship"
    To: list[int] | None = None


class Told(BaseModel):
    """An element as it is sent; what is missing is empty, or 0."""

    Pos: list[int] | None = None
    Kind: str = "Unknown"
    Tags: list[str] | None = None
    Prop: dict[str, str] | None = None
    Rels: list[Relation] | None = None


def checked(told: Told) -> Element:
    """An element as it is kept, of a known kind and with known relations."""
    if told.Kind not in _KINDS:
        raise Refusal(f'Unknown element type in JSON: "{told.Kind}"')
    for relation in told.Rels or ():
        if relation.Rel not in _RELATIONS:
            raise Refusal(f'Unknown relationship type in JSON: "{relation.Rel}"')
    return {
        "Pos": _point(told.Pos),
        "Kind": told.Kind,
        "Tags": told.Tags or [],
        "Prop": told.Prop or {},
        "Rels": [{"Rel": relation.Rel, "To": _point(relation.To)} for relation in told.Rels or ()],
    }


def _point(told: list[int] | None) -> list[int]:
    """Three coordinates: missing ones are 0, further ones are not looked at."""
    return [*(told or ()), 0, 0, 0][:3]
