from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tools.em.kernels.graphs import edge_table, region_graphs

from voxome.errors import InvalidInput
from voxome.tools.em.kernels.agglomerate import agglomerate
from voxome.tools.em.kernels.edges import BINS, Edges

NODES = np.array([3, 5, 8, 13, 21], np.uint64)


def statistic(values: Sequence[int], quantile: Fraction | None) -> Fraction:
    if quantile is None:
        return Fraction(values[0], values[1])
    below = 0
    for i, held in enumerate(values[2 : 2 + BINS]):
        if held and below + held >= quantile * values[1]:
            return 32 * (i + (quantile * values[1] - below) / held)
        below += held
    raise AssertionError(values)


def greedy(nodes: NDArray[np.uint64], edges: Edges, threshold: float, quantile: Fraction | None) -> list[int]:
    """Agglomerate by the definition: merge the best edge, add up, repeat."""
    pairs, values = edges.ids.tolist(), edges.values.tolist()
    rows = {tuple(p): [*v, i] for i, (p, v) in enumerate(zip(pairs, values, strict=True))}
    group = {i: i for i in nodes.tolist()}
    while rows:
        best = min(rows, key=lambda p: (-statistic(rows[p], quantile), rows[p][-1]))
        if statistic(rows[best], quantile) < Fraction(threshold) * 255:
            break
        keep, gone = min(best), max(best)
        group = {i: keep if g == gone else g for i, g in group.items()}
        merged: dict[tuple[int, ...], list[int]] = {}
        for pair, row in rows.items():
            new = tuple(sorted(keep if end == gone else end for end in pair))
            if new[0] != new[1]:
                old = merged.get(new, [0] * (len(row) - 1) + [row[-1]])
                merged[new] = [a + b for a, b in zip(old[:-1], row[:-1], strict=True)] + [min(old[-1], row[-1])]
        rows = merged
    return list(group.values())


@settings(max_examples=50)
@given(region_graphs(), st.sampled_from([0.0, 0.25, 0.5, 0.75]), st.sampled_from([None, 0.25, 0.5, 0.75, 1.0]))
def test_agglomeration_equals_the_greedy_definition(
    graph: tuple[NDArray[np.uint64], Edges], threshold: float, quantile: float | None
) -> None:
    nodes, edges = graph
    before = edges.values.copy()
    if quantile is None:
        objects = agglomerate(nodes, edges, threshold, "mean")
    else:
        objects = agglomerate(nodes, edges, threshold, "waterz", quantile)
    exact = None if quantile is None else Fraction(quantile)
    assert objects.tolist() == greedy(nodes, edges, threshold, exact)
    np.testing.assert_array_equal(edges.values, before)


def test_edges_of_merged_regions_are_added_up() -> None:
    edges = edge_table([(3, 5, [250]), (3, 8, [0] * 9), (5, 8, [200]), (13, 21, [100])])
    assert agglomerate(NODES, edges, 0.5, "mean").tolist() == [3, 3, 8, 13, 21]
    assert agglomerate(NODES, edges, 0.05, "mean").tolist() == [3, 3, 3, 13, 13]
    assert agglomerate(NODES, edges, 0.75, "waterz", 0.95).tolist() == [3, 3, 3, 13, 21]
    assert agglomerate(NODES, edges, 0.75, "waterz", 0.9).tolist() == [3, 3, 8, 13, 21]


def test_a_repulsive_edge_separates_regions_that_weaker_edges_would_join() -> None:
    edges = edge_table([(3, 5, [250]), (3, 8, [0]), (5, 8, [200]), (8, 13, [150])])
    assert agglomerate(NODES, edges, 0.5, "mutex").tolist() == [3, 3, 8, 8, 21]
    assert agglomerate(NODES, edges, 0.3, "mean").tolist() == [3, 3, 3, 3, 21]


@pytest.mark.slow
@given(region_graphs(), st.sampled_from([0.3, 0.5]))
def test_mutex_watershed_follows_the_strongest_edge(graph: tuple[NDArray[np.uint64], Edges], threshold: float) -> None:
    nodes, edges = graph
    group = agglomerate(nodes, edges, threshold, "mutex")
    assert (group <= nodes).all()
    np.testing.assert_array_equal(group[np.searchsorted(nodes, group)], group)
    mean = edges.values[:, 0] / edges.values[:, 1]
    strongest = np.argsort(-np.abs(mean - 255 * threshold), kind="stable")[:1]
    ends = group[np.searchsorted(nodes, edges.ids[strongest])]
    np.testing.assert_array_equal(ends[:, 0] == ends[:, 1], mean[strongest] >= 255 * threshold)


@pytest.mark.parametrize("method", ["mean", "waterz", "mutex"])
def test_without_edges_nothing_is_merged(method: str) -> None:
    assert agglomerate(NODES, edge_table([]), 0.5, method).tolist() == NODES.tolist()  # type: ignore[arg-type]


def test_invalid_input_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nodes of edges are unknown"):
        agglomerate(NODES, edge_table([(3, 4, [1])]), 0.5)
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        agglomerate(NODES, edge_table([]), 128)
    with pytest.raises(InvalidInput, match="histogram"):
        agglomerate(NODES, Edges(np.array([[3, 5]], np.uint64), np.array([[1, 1]])), 0.5, "waterz")
