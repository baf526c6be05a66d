"""Elements of annotations, parsed as strictly as in Go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from standins.dvid.calls import Refusal

Element = Mapping[str, Any]

_KINDS = {"Unknown", "PostSyn", "PreSyn", "Gap", "Note"}
_RELATIONS = {"UnknownRelationship", "PostSynTo", "PreSynTo", "ConvergentTo", "GroupedWith"}


class Relation(BaseModel):
    """Relation to another element."""

    Rel: str = "UnknownRelationship"
    To: list[int] | None = None


class ElementJson(BaseModel):
    """JSON of an element; missing fields are empty, or 0."""

    Pos: list[int] | None = None
    Kind: str = "Unknown"
    Tags: list[str] | None = None
    Prop: dict[str, str] | None = None
    Rels: list[Relation] | None = None


def parse_element(element: ElementJson) -> Element:
    """Return an element after checking its kind and relations."""
    if element.Kind not in _KINDS:
        raise Refusal(f'Unknown element type in JSON: "{element.Kind}"')
    for relation in element.Rels or ():
        if relation.Rel not in _RELATIONS:
            raise Refusal(f'Unknown relationship type in JSON: "{relation.Rel}"')
    return {
        "Pos": _point(element.Pos),
        "Kind": element.Kind,
        "Tags": element.Tags or [],
        "Prop": element.Prop or {},
        "Rels": [{"Rel": relation.Rel, "To": _point(relation.To)} for relation in element.Rels or ()],
    }


def _point(coordinates: list[int] | None) -> list[int]:
    """Return three coordinates: missing ones are 0, further ones are ignored."""
    return [*(coordinates or ()), 0, 0, 0][:3]
