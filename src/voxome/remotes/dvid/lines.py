"""Synapses of an annotation instance as lines, from the presynaptic point to the postsynaptic one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.id_groups import hash_ids
from voxome.contracts.shapes import Annotations, AnnotationShape
from voxome.errors import CorruptData, NotFound, UnknownName
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.elements import Element, confidence_of
from voxome.remotes.dvid.node import Node
from voxome.remotes.dvid.provenance import LoggedElements

CONFIDENCE, PRE_CONFIDENCE = "confidence", "pre_confidence"
"""Properties of a line: of its postsynaptic, and of its presynaptic point."""


class DvidLines(LoggedElements):
    """The synapses of an instance: a line for each relation of a presynaptic point to a postsynaptic one.

    The point of voxel i is its centre, ``(i + 1/2) * voxel_size_nm``. The id of a line is a hash of its two points.
    DVID has no index of lines, so that every query reads all elements.

    Parameters
    ----------
    node : Node
        The version.
    instance : str
        Name of the annotations.
    voxel_size_nm : (z, y, x)
        Size of their voxels.
    name : str
        URI, for messages.
    """

    shape: AnnotationShape = "line"
    relations: Sequence[str] = ()

    def __init__(self, node: Node, instance: str, voxel_size_nm: tuple[float, float, float], name: str) -> None:
        self.name, self._elements = name, AnnotationInstance(node, instance)
        self.voxel_size_nm = voxel_size_nm

    def batches(self) -> Iterator[Annotations]:
        """Yield all lines.

        Yields
        ------
        Annotations
        """
        yield self._lines()

    def ids(self) -> NDArray[np.uint64]:
        return self._lines().ids

    def get(self, ids: Iterable[int]) -> Annotations:
        wanted = np.unique(np.array(list(ids), np.uint64))
        found = self._select(lambda lines: np.isin(lines.ids, wanted))
        if len(found) < len(wanted):
            raise NotFound(f"{self.name} has no line {np.setdiff1d(wanted, found.ids)[0]}")
        return found

    def within(self, start_nm: Sequence[float], stop_nm: Sequence[float]) -> Annotations:
        return self._select(lambda lines: lines.meet_box(start_nm, stop_nm))

    def related(self, relation: str, label: int) -> Annotations:
        raise UnknownName.of("relation", relation, self.relations)

    def _select(self, meets: Callable[[Annotations], NDArray[np.bool_]]) -> Annotations:
        lines = self._lines()
        return lines.select(np.flatnonzero(meets(lines)))

    def _lines(self) -> Annotations:
        elements = {element.position: element for element in self._elements.all()}
        pairs = [
            (element, elements.get(relation.to), relation.to)
            for element in elements.values()
            for relation in element.relations
            if relation.kind == "PreSynTo"
        ]
        ends = np.array([(pre.position, to) for pre, _, to in pairs], np.int64).reshape(-1, 2, 3)
        ids = line_ids(ends)
        if len(np.unique(ids)) < len(ids):
            raise CorruptData(f"{self.name} has a relation between two points twice, or two lines with one hash")
        lines = Annotations(
            "line",
            ids,
            (ends + 0.5) * np.asarray(self.voxel_size_nm),
            {
                CONFIDENCE: np.array([_confidence(post) for _, post, _ in pairs], np.float64),
                PRE_CONFIDENCE: np.array([_confidence(pre) for pre, _, _ in pairs], np.float64),
            },
        )
        return lines.select(np.argsort(lines.ids))


def line_ids(ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the ids of lines between voxels, (n, 2, 3)."""
    ids = np.zeros(len(ends), np.uint64)
    for column in ends.reshape(len(ends), -1).T:
        ids = hash_ids(ids ^ column.astype(np.uint64))
    return ids


def _confidence(element: Element | None) -> float:
    return float("nan") if element is None else confidence_of(element)
