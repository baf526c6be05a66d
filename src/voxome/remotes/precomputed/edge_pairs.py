"""Pairs of open edges where a surface touches itself, so that several edges lie on each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from voxome.remotes.precomputed.open_edges import OpenEdges

Pair = tuple[int, int]


def pair_other_edges(edges: OpenEdges, names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pair edges between places where there are several, each with one of another face.

    The best pair is one whose faces run along it in opposite directions, do not lie on each other, are of two
    fragments, and whose ends are joined already: a sheet goes on where its neighbours do. Where several are as good,
    the first is taken, and the edges beside it follow. Edges of one fragment are paired only if their faces run along
    them in opposite directions.

    Parameters
    ----------
    edges : OpenEdges
        All of them between places with several.
    names : (n,) array of int64
        For each vertex, the first of those with which it is joined.

    Returns
    -------
    (n, 2) array of int64
        Vertices to join.
    """
    pairing = _Pairing(edges, names)
    pairing.follow(range(len(pairing.groups)))
    for group in range(len(pairing.groups)):
        while candidates := pairing.candidates(group):
            pairing.follow(pairing.join(group, max(candidates, key=pairing.rank)))
    return np.array(pairing.joined, np.int64).reshape(-1, 2)


class _Pairing:
    """Edges that are left between each two places, and the vertices that are joined so far."""

    def __init__(self, edges: OpenEdges, names: NDArray[np.int64]) -> None:
        ends = names[edges.ends]
        self._ends, self._vertices, self._tips = ends.tolist(), edges.ends.tolist(), edges.tips.tolist()
        self._forward = edges.forward.tolist()
        self._faces, self._fragments = edges.faces.tolist(), edges.fragments.tolist()
        self._sets = DisjointSet(np.unique(ends).tolist())
        starts = edges.starts()
        self.groups = [list(range(*run)) for run in zip(starts, [*starts[1:], len(edges)], strict=True)]
        self._places = edges.places[starts].tolist()
        self._near: dict[int, list[int]] = defaultdict(list)
        for group, places in enumerate(self._places):
            for place in places:
                self._near[place].append(group)
        self.joined: list[Pair] = []

    def follow(self, groups: Iterable[int]) -> None:
        """Join the pairs of groups that are certain, and those that become so."""
        waiting = list(groups)
        while waiting:
            group = waiting.pop()
            if pair := self._certain_pair(group):
                waiting += self.join(group, pair)

    def candidates(self, group: int) -> list[Pair]:
        """Return the pairs of edges that may be joined."""
        return [(a, b) for a, b in combinations(self.groups[group], 2) if self._fit(a, b)]

    def rank(self, pair: Pair) -> tuple[int, ...]:
        """Return what a pair is compared by; see `pair_other_edges`."""
        a, b = pair
        ends = zip(self._ends[a], self._ends[b], strict=True)
        return (
            self._forward[a] != self._forward[b],
            self._tips[a] != self._tips[b],
            self._fragments[a] != self._fragments[b],
            sum(self._sets.connected(one, other) for one, other in ends),
        )

    def join(self, group: int, pair: Pair) -> list[int]:
        """Join the ends of a pair, and return the groups that it may concern."""
        a, b = pair
        for one, other in zip(self._ends[a], self._ends[b], strict=True):
            self._sets.merge(one, other)
        self.joined += zip(self._vertices[a], self._vertices[b], strict=True)
        self.groups[group] = [edge for edge in self.groups[group] if edge not in pair]
        return [near for place in self._places[group] for near in self._near[place]]

    def _fit(self, a: int, b: int) -> bool:
        if self._fragments[a] != self._fragments[b]:
            return True
        return self._faces[a] != self._faces[b] and self._forward[a] != self._forward[b]

    def _certain_pair(self, group: int) -> Pair | None:
        """Return the best pair, if no other one with one of its edges is as good."""
        ranks = {pair: self.rank(pair) for pair in self.candidates(group)}
        best = [pair for pair, rank in ranks.items() if rank == max(ranks.values())]
        uses = Counter(edge for pair in best for edge in pair)
        return next(((a, b) for a, b in best if uses[a] == uses[b] == 1), None)
