"""Open edges of the fragments of a mesh, and pairs of those that lie on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class OpenEdges:
    """Edges that have a face on one side in their fragment.

    Attributes
    ----------
    ends : (n, 2) array of int64
        Vertices; that at the place of the lower number first, whichever way the face runs along the edge.
    places : (n, 2) array of int64
        A number for the place of each end; all vertices at the same place have the same number.
    tips : (n,) array of int64
        Number of the place of the third corner of the face.
    forward : (n,) array of bool
        Whether the face runs along the edge from the first end to the second.
    faces, fragments : (n,) array of int64
        Face and fragment of each edge.
    """

    ends: NDArray[np.int64]
    places: NDArray[np.int64]
    tips: NDArray[np.int64]
    forward: NDArray[np.bool_]
    faces: NDArray[np.int64]
    fragments: NDArray[np.int64]

    @classmethod
    def of(cls, points: NDArray[np.float64], faces: NDArray[np.int64], fragments: NDArray[np.int64]) -> OpenEdges:
        """Return the open edges of all fragments, sorted so that those between the same places follow each other.

        Parameters
        ----------
        points : (n, 3) array of float64
            Vertices of all fragments on one lattice.
        faces : (m, 3) array of int64
            Rows of three points.
        fragments : (n,) array of int64
            Fragment of each vertex.
        """
        face, corner = np.divmod(_open_corners(faces, len(points)), 3)
        corners = faces[face[:, None], (corner[:, None] + np.arange(3)) % 3]
        used, rows = np.unique(corners, return_inverse=True)
        places = _number_places(points[used])[rows.reshape(-1, 3)]
        ends, tips, places = corners[:, :2], places[:, 2], places[:, :2]
        backward = places[:, 0] > places[:, 1]
        ends, places = (np.where(backward[:, None], one[:, ::-1], one) for one in (ends, places))
        edges = cls(ends, places, tips, ~backward, face, fragments[ends[:, 0]])
        return edges.select(np.lexsort(places.T))

    def __len__(self) -> int:
        return len(self.ends)

    def select(self, rows: Any) -> OpenEdges:
        """Return some of the edges."""
        return OpenEdges(
            self.ends[rows],
            self.places[rows],
            self.tips[rows],
            self.forward[rows],
            self.faces[rows],
            self.fragments[rows],
        )

    def starts(self) -> NDArray[np.int64]:
        """Return where each run of edges between the same places starts."""
        return np.flatnonzero(np.r_[True, (self.places[1:] != self.places[:-1]).any(axis=1)][: len(self)])


def pair_single_edges(edges: OpenEdges) -> tuple[NDArray[np.int64], OpenEdges]:
    """Pair the edges between places where exactly two fragments have one edge each.

    Returns
    -------
    pairs : (n, 2) array of int64
        Vertices to join.
    others : OpenEdges
        Edges between places where there are more than two, or two of one fragment.
    """
    starts = edges.starts()
    counts = np.diff(np.r_[starts, len(edges)])
    first = starts[counts == 2]
    first = first[edges.fragments[first] != edges.fragments[first + 1]]
    pairs = np.stack([edges.ends[first], edges.ends[first + 1]], axis=-1).reshape(-1, 2)
    others = np.repeat(counts > 1, counts)
    others[first] = others[first + 1] = False
    return pairs, edges.select(others)


def _open_corners(faces: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the corners (face times 3, and 0 to 2) where edges start that have no other in the opposite direction."""
    first, second = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    uneven = _ends_of_uneven_edges(first, second, count)
    corners = np.flatnonzero(uneven[first] & uneven[second])
    first, second = first[corners], second[corners]
    keys = first * count + second
    order = np.argsort(keys)
    keys, opposite = keys[order], np.sort(second * count + first)
    before = np.arange(len(keys)) - np.searchsorted(keys, keys)
    return corners[order[before >= np.searchsorted(opposite, keys, "right") - np.searchsorted(opposite, keys)]]


def _ends_of_uneven_edges(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return which vertices are ends of an edge along which more faces run in one direction than in the other."""
    undirected = np.minimum(first, second) * count + np.maximum(first, second)
    codes = np.sort(undirected * 2 + (first < second))
    starts = np.flatnonzero(np.r_[True, codes[1:] >> 1 != codes[:-1] >> 1][: len(codes)])
    balance = np.add.reduceat((codes & 1) * 2 - 1, starts) if len(starts) else starts
    uneven = codes[starts[balance != 0]] >> 1
    found = np.zeros(count, np.bool_)
    found[uneven // count] = found[uneven % count] = True
    return found


def _number_places(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a number for each place, from 0."""
    return np.unique(points, axis=0, return_inverse=True)[1].ravel()
