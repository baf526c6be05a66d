"""Annotated points: one element as a value, many as a table, and as DVID writes them in JSON."""

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
"""The property that holds how sure a detector was."""

Point = tuple[int, int, int]


@dataclass(frozen=True)
class Relation:
    """That a point belongs to another.

    Attributes
    ----------
    kind : str
        One of `RELATIONS`, as ``"PreSynTo"``.
    to : (z, y, x)
        The other point, in voxels.
    """

    kind: str
    to: Point


@dataclass(frozen=True)
class Element:
    """One annotated point.

    Attributes
    ----------
    position : (z, y, x)
        In voxels; no two elements have the same.
    kind : str
        One of `KINDS`, as ``"PreSyn"``.
    tags : tuple of str
        Words that it can be found by.
    properties : mapping of str to str
        What else is known of it.
    relations : tuple of Relation
        Its partners. Empty as well where they were not asked for.
    """

    position: Point
    kind: str
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()


def parse_elements(said: Any) -> list[Element]:
    """Elements of a JSON list of them; none of null.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is no such list.
    """
    if not isinstance(said, list | None):
        raise TypeError("a list of elements was expected")
    return [_element(item) for item in said or []]


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
    """Elements as DVID takes them.

    Raises
    ------
    InvalidInput
        If a kind or a relation has another name than DVID's, a property is no text, or a point is there twice; all
        that is wrong is listed.
    """
    listed = list(elements)
    faults = [fault for element in listed for fault in _faults(element)]
    counts = Counter(element.position for element in listed)
    faults += [f"{position}: there {count} times" for position, count in counts.items() if count > 1]
    if faults:
        raise InvalidInput("these elements cannot be written:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return [_json(element) for element in listed]


def _faults(element: Element) -> list[str]:
    faults = []
    if element.kind not in KINDS:
        faults.append(f"{element.position}: kind {element.kind!r}, not one of {', '.join(KINDS)}")
    faults += [
        f"{element.position}: relation {relation.kind!r}, not one of {', '.join(RELATIONS)}"
        for relation in element.relations
        if relation.kind not in RELATIONS
    ]
    faults += [
        f"{element.position}: property {name!r} is {value!r}, where DVID keeps text"
        for name, value in element.properties.items()
        if not isinstance(value, str)
    ]
    return faults


def _json(element: Element) -> dict[str, Any]:
    return {
        "Pos": element.position[::-1],
        "Kind": element.kind,
        "Tags": element.tags,
        "Prop": dict(element.properties),
        "Rels": [{"Rel": relation.kind, "To": relation.to[::-1]} for relation in element.relations],
    }


def element_rows(elements: Sequence[Element]) -> Rows:
    """A table with a row an element.

    Returns
    -------
    table
        ``z, y, x`` (int64, voxels), ``kind`` (text), ``confidence`` (float64, NaN where there is none) and
        ``relations`` (how many).
    """
    return {
        **_points([element.position for element in elements]),
        "kind": np.array([element.kind for element in elements], np.str_),
        "confidence": np.array([_confidence(element) for element in elements], np.float64),
        "relations": np.array([len(element.relations) for element in elements], np.int64),
    }


def relation_rows(elements: Sequence[Element]) -> Rows:
    """A table with a row a relation; elements without any have none.

    Returns
    -------
    table
        ``z, y, x, kind, confidence`` of the element as in `element_rows`, ``relation`` (text), and
        ``partner_z, partner_y, partner_x`` (int64, voxels).
    """
    pairs = [(place, relation) for place, element in enumerate(elements) for relation in element.relations]
    owner = np.array([place for place, _ in pairs], np.int64)
    rows = {name: values[owner] for name, values in element_rows(elements).items() if name != "relations"}
    partners = _points([relation.to for _, relation in pairs])
    return {
        **rows,
        "relation": np.array([relation.kind for _, relation in pairs], np.str_),
        **{f"partner_{axis}": values for axis, values in partners.items()},
    }


def _points(points: Sequence[Point]) -> Rows:
    return dict(zip("zyx", np.array(points, np.int64).reshape(-1, 3).T, strict=True))


def _confidence(element: Element) -> float:
    try:
        return float(element.properties[CONFIDENCE])
    except (KeyError, ValueError):
        return float("nan")
