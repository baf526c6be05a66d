"""Meshes, skeletons and annotations check their arrays; skeletons find the parents of nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.shapes import Annotations, Mesh, Skeleton
from voxome.errors import InvalidBox, InvalidInput

XYZ = np.arange(12).reshape(4, 3)


def skeleton(edges: Any, count: int = 4) -> Skeleton:
    return Skeleton(np.arange(3 * count).reshape(count, 3), edges, np.full(count, np.nan))


@given(st.data())
def test_parents_follow_from_the_edges_of_a_forest(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    parents = [data.draw(st.integers(-1, row - 1)) for row in range(count)]
    order = data.draw(st.permutations(range(count)))
    edges = [(order[row], order[parent]) for row, parent in enumerate(parents) if parent >= 0]
    expected = np.full(count, -1)
    expected[[child for child, _ in edges]] = [parent for _, parent in edges]
    assert skeleton(data.draw(st.permutations(edges)), count).parents.tolist() == expected.tolist()


@given(st.data())
def test_undirected_edges_give_a_tree_of_the_same_edges(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    edges = [(row, data.draw(st.integers(0, row - 1))) for row in range(1, count) if data.draw(st.booleans())]
    mixed = [edge if data.draw(st.booleans()) else edge[::-1] for edge in edges]
    parents = skeleton(mixed, count).parents
    found = {frozenset((row, parent)) for row, parent in enumerate(parents.tolist()) if parent >= 0}
    assert found == {frozenset(edge) for edge in edges}


@pytest.mark.parametrize("edges", [[(0, 1), (1, 2), (2, 0)], [(0, 0)], [(0, 1), (1, 0)], [(0, 1), (0, 1)]])
def test_a_cycle_has_no_parents(edges: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidInput, match="contain a cycle"):
        _ = skeleton(edges).parents


def test_a_skeleton_may_be_empty() -> None:
    empty = skeleton([], 0)
    assert (empty.parents.shape, empty.edges.shape, empty.length_nm) == ((0,), (0, 2), 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nodes_nm": XYZ[:, :2]}, r"nodes_nm should have the shape \('n', 3\), not \(4, 2\)"),
        ({"edges": [[0, 4]]}, "edges join rows of the 4 nodes"),
        ({"edges": [[-1, 0]]}, "edges join rows of the 4 nodes"),
        ({"radii_nm": [1.0]}, "a skeleton of 4 nodes cannot have 1 values of radii_nm"),
        ({"attributes": {"kind": np.zeros(3)}}, "a skeleton of 4 nodes cannot have 3 values of kind"),
    ],
)
def test_arrays_of_a_skeleton_must_agree(values: dict[str, Any], message: str) -> None:
    arrays: dict[str, Any] = {"nodes_nm": XYZ, "edges": [[0, 1]], "radii_nm": np.ones(4), **values}
    with pytest.raises(InvalidInput, match=message):
        Skeleton(**arrays)


def test_a_face_must_refer_to_a_vertex() -> None:
    with pytest.raises(InvalidInput, match="a face refers to vertex 4 of 4"):
        Mesh(XYZ, np.array([[0, 1, 4]]))


def annotations_of(shape: Any, positions: Any, ids: tuple[int, ...], **others: Any) -> Annotations:
    return Annotations(shape, np.array(ids, np.uint64), positions, **others)


def test_bounds_of_each_geometry() -> None:
    pair = np.array([[[5, 5, 5], [1, 2, 9]]])
    assert annotations_of("point", pair[:, :1], (1,)).bounds_nm.tolist() == [[[5, 5, 5]] * 2]
    for shape in ("line", "box"):
        assert annotations_of(shape, pair, (1,)).bounds_nm.tolist() == [[[1, 2, 5], [5, 5, 9]]]
    assert annotations_of("ellipsoid", pair, (1,)).bounds_nm.tolist() == [[[4, 3, -4], [6, 7, 14]]]


def test_joined_annotations_are_sorted_and_unique() -> None:
    at = np.arange(9).reshape(3, 1, 3)
    big = 2**64 - 2
    one = annotations_of("point", at[[2, 0]], (big, 3), properties={"a": np.array([2, 0])})
    two = annotations_of("point", at[[1, 2]], (2**63 + 1, big), properties={"a": np.array([1, 2])})
    both = Annotations.join([one, two])
    assert both.ids.tolist() == [3, 2**63 + 1, big]
    assert both.properties["a"].tolist() == [0, 1, 2]
    assert both.within((0, 0, 0), (3, 4, 5)).ids.tolist() == [3]
    assert both.within((3, 4, 5), (4, 5, 6)).ids.tolist() == [2**63 + 1]
    with pytest.raises(InvalidBox, match="is reversed"):
        both.within((3, 4, 5), (4, 5, 4))


def test_arrays_of_annotations_must_agree() -> None:
    with pytest.raises(InvalidInput, match=r"positions_nm should have the shape \('n', 2, 3\)"):
        annotations_of("line", np.zeros((1, 1, 3)), (1,))
    with pytest.raises(InvalidInput, match="2 annotations cannot have 1 rows of colour"):
        annotations_of("point", np.zeros((2, 1, 3)), (1, 2), properties={"colour": np.zeros(1)})
