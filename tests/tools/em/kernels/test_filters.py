from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tools.em.kernels.graphs import edge_table

from voxome.tools.em.kernels.edges import Nodes
from voxome.tools.em.kernels.filters import absorb_small, fill_holes, join

IDS = np.array([2, 3, 5, 8, 13], np.uint64)


def nodes(sizes: list[int], rim: list[int]) -> Nodes:
    values = np.zeros((len(sizes), 5), np.int64)
    values[:, 0], values[:, 4] = sizes, rim
    return Nodes(IDS, values)


def test_small_objects_are_merged_into_the_neighbour_with_the_highest_affinity() -> None:
    table = nodes([100, 5, 100, 5, 5], [1] * 5)
    contacts = edge_table([(2, 3, [10]), (3, 5, [9] * 10), (5, 8, [7]), (3, 8, [7])])
    assert absorb_small(table, contacts, IDS, 10).tolist() == [2, 2, 5, 2, 13]
    assert absorb_small(table, contacts, IDS, 5).tolist() == IDS.tolist()


def test_the_size_of_an_object_is_that_of_all_its_fragments() -> None:
    table = nodes([100, 5, 6, 5, 5], [1] * 5)
    objects = np.array([2, 3, 3, 8, 8], np.uint64)
    contacts = edge_table([(2, 3, [10]), (5, 8, [20]), (3, 8, [0] * 9), (2, 13, [1])])
    assert absorb_small(table, contacts, objects, 11).tolist() == [2, 3, 3, 3, 3]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 9)), max_size=12), st.integers(0, 30))
def test_objects_that_stay_small_have_no_neighbour(pairs: list[tuple[int, int, int]], least: int) -> None:
    rows = {(int(IDS[a]), int(IDS[b])): w for a, b, w in pairs if a < b}
    table = nodes([1, 5, 9, 20, 3], [1] * 5)
    contacts = edge_table([(a, b, [w]) for (a, b), w in sorted(rows.items())])
    objects = absorb_small(table, contacts, IDS, least)
    ends = objects[np.searchsorted(IDS, contacts.ids)]
    touched = set(ends[ends[:, 0] != ends[:, 1]].ravel().tolist())
    for i in set(objects.tolist()):
        assert i == IDS[objects == i].min()
        assert table.values[objects == i, 0].sum() >= least or i not in touched


def test_only_enclosed_objects_are_holes() -> None:
    contacts = edge_table([(2, 3, [0] * 9), (2, 5, [0] * 9), (2, 8, [0] * 9), (8, 13, [0] * 9)])
    assert fill_holes(nodes([9] * 5, [4, 0, 1, 0, 0]), contacts, IDS).tolist() == [2, 2, 5, 8, 8]


def test_joined_objects_take_the_smallest_id() -> None:
    objects = np.array([2, 3, 3, 8, 13], np.uint64)
    a, b = np.array([13, 8], np.uint64), np.array([8, 3], np.uint64)
    assert join(objects, a, b).tolist() == [2, 3, 3, 3, 3]
