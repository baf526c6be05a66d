"""Annotation instances: points with kinds, tags and partners, such as synapses and bookmarks."""

from __future__ import annotations

from collections.abc import Iterable

from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.remotes.dvid.elements import Element, Point, elements_json, parse_elements
from voxome.remotes.dvid.instance import Instance, as_labels, batches, given, underscored

BATCH = 10_000
"""Elements sent at once."""


class Annotations(Instance):
    """Annotated points of one instance."""

    def within(self, box: Box) -> list[Element]:
        """The elements in `box` (z, y, x), with their relations."""
        if box.empty:
            return []
        return self._json("elements", underscored(box.shape), underscored(box.start), read=parse_elements)

    def of_label(self, label: int, *, relations: bool = True) -> list[Element]:
        """The elements that lie in a body; none where there is no such body."""
        return self._json("label", *as_labels([label]), read=parse_elements, **given(relationships=relations))

    def tagged(self, tag: str, *, relations: bool = True) -> list[Element]:
        """The elements with a tag."""
        return self._json("tag", tag, read=parse_elements, **given(relationships=relations))

    def all(self) -> list[Element]:
        """All elements, with their relations; the whole instance is sent at once."""
        blocks = self._json("all-elements", read=lambda said: list(map(parse_elements, (said or {}).values())))
        return [element for block in blocks for element in block]

    def bookmarks(self, user: str) -> list[Element]:
        """The elements with the tag ``user:USER``, as FlyEM's tools mark bookmarks."""
        return self.tagged(f"user:{user}")

    def post(self, elements: Iterable[Element]) -> None:
        """Write elements; one at the same point is replaced.

        Raises
        ------
        InvalidInput
            If one is not as DVID takes it; then none is written.
        """
        for part in batches(elements_json(elements), BATCH):
            self._post("elements", json=part, idempotent=True)

    def move(self, start: Point, to: Point) -> None:
        """Move one element; the relations of its partners follow.

        Raises
        ------
        NotFound
            If there is none at `start`.
        """
        self._at(start)
        self._post("move", underscored(start), underscored(to))

    def delete(self, position: Point) -> None:
        """Remove one element, and its partners' relations to it.

        Raises
        ------
        NotFound
            If there is none.
        """
        self._at(position)
        self.node.delete(self.name, "element", underscored(position))

    def _at(self, position: Point) -> Element:
        found = self.within(Box.of_shape((1, 1, 1), position))
        if not found:
            raise NotFound(f"there is no element at {tuple(position)} (z, y, x) in {self.name}")
        return found[0]
