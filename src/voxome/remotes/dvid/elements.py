"""Annotated points: single elements, tables of elements, and their JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput

KINDS = ("Unknown", "PostSyn", "PreSyn", "Gap", "Note")
RELATIONS = ("UnknownRelationship", "PostSynTo", "PreSynTo", "ConvergentTo", "GroupedWith")
CONFIDENCE = "conf"
"""Property with the confidence of a detector."""

Point = tuple[int, int, int]


@dataclass(frozen=True)
class Relation:
    """Relation of a point to another.

    Attributes
    ----------
    kind : str
        One of `RELATIONS`, such as ``"PreSynTo"``.
    to : (z, y, x)
        The other point, in voxels.
    """

    kind: str
    to: Point


@dataclass(frozen=True)
class Element:
    """Annotated point.

    Attributes
    ----------
    position : (z, y, x)
        In voxels; unique within an instance.
    kind : str
        One of `KINDS`, such as ``"PreSyn"``.
    tags : tuple of str
        Words by which it can be looked up.
    properties : mapping of str to str
        Further properties.
    relations : tuple of Relation
        Relations to its partners; empty if they were not requested.
    """

    position: Point
    kind: str
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()


def parse_elements(reply: Any) -> list[Element]:
    """Parse a JSON list of elements; null is an empty list.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is not such a list.
    """
    if not isinstance(reply, list | None):
        raise TypeError("a list of elements was expected")
    return [_element(item) for item in reply or []]


def _element(item: Mapping[str, Any]) -> Element:
    return Element(
        position=_zyx(item["Pos"]),
        kind=item["Kind"],
        tags=tuple(item.get("Tags") or ()),
        properties=dict(item.get("Prop") or {}),
        relations=tuple(Relation(relation["Rel"], _zyx(relation["To"])) for relation in item.get("Rels") or ()),
    )


def _zyx(xyz: Sequence[int]) -> Point:
    x, y, z = xyz
    return int(z), int(y), int(x)


def elements_json(elements: Iterable[Element]) -> list[dict[str, Any]]:
    """Return the JSON of elements.

    Raises
    ------
    InvalidInput
        If a kind or a relation is unknown to DVID, a property is not a string, or a point occurs twice; all problems
        are listed.
    """
    elements = list(elements)
    problems = [problem for element in elements for problem in _problems(element)]
    counts = Counter(element.position for element in elements)
    problems += [f"{position}: occurs {count} times" for position, count in counts.items() if count > 1]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise InvalidInput(f"Cannot write the elements; fix these problems:\n{lines}")
    return [_element_json(element) for element in elements]


def _problems(element: Element) -> list[str]:
    problems = []
    if element.kind not in KINDS:
        problems.append(f"{element.position}: unknown kind {element.kind!r}, expected one of {', '.join(KINDS)}")
    problems += [
        f"{element.position}: unknown relation {relation.kind!r}, expected one of {', '.join(RELATIONS)}"
        for relation in element.relations
        if relation.kind not in RELATIONS
    ]
    problems += [
        f"{element.position}: property {name!r} is {value!r}, expected a string"
        for name, value in element.properties.items()
        if not isinstance(value, str)
    ]
    return problems


def _element_json(element: Element) -> dict[str, Any]:
    return {
        "Pos": element.position[::-1],
        "Kind": element.kind,
        "Tags": element.tags,
        "Prop": dict(element.properties),
        "Rels": [{"Rel": relation.kind, "To": relation.to[::-1]} for relation in element.relations],
    }


def element_rows(elements: Sequence[Element]) -> Rows:
    """Return a table with one row per element.

    Returns
    -------
    table
        ``z, y, x`` (int64, voxels), ``kind`` (text), ``confidence`` (float64, NaN if missing) and
        ``relations`` (their number).
    """
    return {
        **_points([element.position for element in elements]),
        "kind": np.array([element.kind for element in elements], np.str_),
        "confidence": np.array([confidence_of(element) for element in elements], np.float64),
        "relations": np.array([len(element.relations) for element in elements], np.int64),
    }


def relation_rows(elements: Sequence[Element]) -> Rows:
    """Return a table with one row per relation.

    Returns
    -------
    table
        ``z, y, x, kind, confidence`` of the element as in `element_rows`, ``relation`` (text), and
        ``partner_z, partner_y, partner_x`` (int64, voxels).
    """
    pairs = [(row, relation) for row, element in enumerate(elements) for relation in element.relations]
    owner = np.array([row for row, _ in pairs], np.int64)
    rows = {name: values[owner] for name, values in element_rows(elements).items() if name != "relations"}
    partners = _points([relation.to for _, relation in pairs])
    return {
        **rows,
        "relation": np.array([relation.kind for _, relation in pairs], np.str_),
        **{f"partner_{axis}": values for axis, values in partners.items()},
    }


def _points(points: Sequence[Point]) -> Rows:
    return dict(zip("zyx", np.array(points, np.int64).reshape(-1, 3).T, strict=True))


def confidence_of(element: Element) -> float:
    """Return the confidence of a point; NaN if it has none."""
    try:
        return float(element.properties[CONFIDENCE])
    except (KeyError, ValueError):
        return float("nan")
