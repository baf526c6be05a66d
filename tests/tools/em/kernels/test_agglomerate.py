from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.tools.em.kernels.agglomerate import agglomerate
from voxome.tools.em.kernels.edges import Edges

NODES = np.array([3, 5, 8, 13, 21], np.uint64)


def table(rows: list[tuple[int, int, int, int]]) -> Edges:
    array = np.array(rows, np.int64).reshape(-1, 4)
    return Edges(array[:, :2].astype(np.uint64), array[:, 2:])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[NDArray[np.uint64], Edges]:
    n = draw(st.integers(2, 12))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1])
    pairs = sorted(draw(st.sets(pair, max_size=30)))
    counts = [draw(st.integers(1, 3)) for _ in pairs]
    sums = [255 * draw(st.integers(0, c)) for c in counts]
    rows = [(10 + u, 10 + v, s, c) for (u, v), s, c in zip(pairs, sums, counts, strict=True)]
    return np.arange(10, 10 + n, dtype=np.uint64), table(rows)


def greedy(nodes: NDArray[np.uint64], edges: Edges, threshold: float) -> list[int]:
    """The definition: merge the best edge, add up, repeat."""
    rows = {tuple(p): [*v, i] for i, (p, v) in enumerate(zip(edges.ids.tolist(), edges.values.tolist(), strict=True))}
    group = {i: i for i in nodes.tolist()}
    while rows:
        best = min(rows, key=lambda p: (-Fraction(rows[p][0], rows[p][1]), rows[p][2]))
        if Fraction(rows[best][0], rows[best][1]) < Fraction(threshold) * 255:
            break
        keep, gone = min(best), max(best)
        group = {i: keep if g == gone else g for i, g in group.items()}
        merged: dict[tuple[int, ...], list[int]] = {}
        for pair, row in rows.items():
            new = tuple(sorted(keep if end == gone else end for end in pair))
            if new[0] != new[1]:
                old = merged.get(new, [0, 0, row[2]])
                merged[new] = [old[0] + row[0], old[1] + row[1], min(old[2], row[2])]
        rows = merged
    return list(group.values())


@given(graphs(), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_mean_agglomeration_is_the_greedy_one(graph: tuple[NDArray[np.uint64], Edges], threshold: float) -> None:
    nodes, edges = graph
    before = edges.values.copy()
    assert agglomerate(nodes, edges, threshold).tolist() == greedy(nodes, edges, threshold)
    np.testing.assert_array_equal(edges.values, before)


def test_edges_add_up_as_regions_grow() -> None:
    edges = table([(3, 5, 250, 1), (3, 8, 0, 9), (5, 8, 200, 1), (13, 21, 100, 1)])
    assert agglomerate(NODES, edges, 0.5).tolist() == [3, 3, 8, 13, 21]
    assert agglomerate(NODES, edges, 0.05).tolist() == [3, 3, 3, 13, 13]


def test_a_repelling_edge_keeps_apart_what_weaker_edges_would_join() -> None:
    edges = table([(3, 5, 250, 1), (3, 8, 0, 1), (5, 8, 200, 1), (8, 13, 150, 1)])
    assert agglomerate(NODES, edges, 0.5, "mutex").tolist() == [3, 3, 8, 8, 21]
    assert agglomerate(NODES, edges, 0.5, "mean").tolist() == [3, 3, 8, 8, 21]
    assert agglomerate(NODES, edges, 0.3, "mean").tolist() == [3, 3, 3, 3, 21]


@given(graphs(), st.sampled_from([0.3, 0.5]))
def test_mutex_groups_are_connected_by_attraction(graph: tuple[NDArray[np.uint64], Edges], threshold: float) -> None:
    nodes, edges = graph
    group = agglomerate(nodes, edges, threshold, "mutex")
    ends = group[np.searchsorted(nodes, edges.ids)]
    mean = edges.values[:, 0] / edges.values[:, 1]
    assert (group <= nodes).all()
    np.testing.assert_array_equal(group[np.searchsorted(nodes, group)], group)
    strongest = np.argsort(-np.abs(mean - 255 * threshold), kind="stable")[:1]
    np.testing.assert_array_equal(ends[strongest, 0] == ends[strongest, 1], mean[strongest] > 255 * threshold)


@pytest.mark.parametrize("method", ["mean", "mutex"])
def test_no_edges_no_merges(method: str) -> None:
    assert agglomerate(NODES, table([]), 0.5, method).tolist() == NODES.tolist()  # type: ignore[arg-type]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no nodes"):
        agglomerate(NODES, table([(3, 4, 1, 1)]), 0.5)
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        agglomerate(NODES, table([]), 128)
