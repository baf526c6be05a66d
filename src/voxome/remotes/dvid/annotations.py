"""Annotation instances: points with kinds, tags and relations, such as synapses and bookmarks."""

from __future__ import annotations

from collections.abc import Iterable

from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.remotes.dvid.elements import Element, Point, elements_json, parse_elements
from voxome.remotes.dvid.instance import Instance, as_labels, batches, join_xyz, query_params

BATCH = 10_000
"""Number of elements per request."""


class AnnotationInstance(Instance):
    """Annotated points of one instance."""

    def within(self, box: Box) -> list[Element]:
        """Return the elements in `box` (z, y, x), with their relations."""
        if box.empty:
            return []
        return self._get_json("elements", join_xyz(box.shape), join_xyz(box.start), parse=parse_elements)

    def by_label(self, label: int, *, relations: bool = True) -> list[Element]:
        """Return the elements inside a body; none if the body does not exist."""
        params = query_params(relationships=relations)
        return self._get_json("label", *as_labels([label]), parse=parse_elements, **params)

    def by_tag(self, tag: str, *, relations: bool = True) -> list[Element]:
        """Return the elements with a tag."""
        return self._get_json("tag", tag, parse=parse_elements, **query_params(relationships=relations))

    def all(self) -> list[Element]:
        """Return all elements, with their relations, in a single response."""
        blocks = self._get_json("all-elements", parse=lambda reply: list(map(parse_elements, (reply or {}).values())))
        return [element for block in blocks for element in block]

    def bookmarks(self, user: str) -> list[Element]:
        """Return the elements with the tag ``user:USER``, with which FlyEM's tools mark bookmarks."""
        return self.by_tag(f"user:{user}")

    def post(self, elements: Iterable[Element]) -> None:
        """Write elements; an existing one at the same point is replaced.

        Raises
        ------
        InvalidInput
            If DVID would not accept one of them; then none is written.
        """
        for batch in batches(elements_json(elements), BATCH):
            self._post("elements", json=batch, idempotent=True)

    def move(self, start: Point, to: Point) -> None:
        """Move an element; the relations of its partners are updated.

        Raises
        ------
        NotFound
            If no element is at `start`.
        """
        self._require(start)
        self._post("move", join_xyz(start), join_xyz(to))

    def delete(self, position: Point) -> None:
        """Delete an element, and its partners' relations to it.

        Raises
        ------
        NotFound
            If no element is at `position`.
        """
        self._require(position)
        self.node.delete(self.name, "element", join_xyz(position))

    def _require(self, position: Point) -> None:
        if not self.within(Box.of_shape((1, 1, 1), position)):
            raise NotFound(f"no element at {tuple(position)} (z, y, x) in {self.name}")
