"""Fragments of a mesh are joined to the surface that was cut, also where it touches itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from remotes.precomputed.surfaces import box, volume
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxome.contracts.shapes import Mesh
from voxome.remotes.mesh_files.draco import decode_draco_arrays, encode_draco_integers
from voxome.remotes.precomputed.mesh_grid import Grid, cut
from voxome.remotes.precomputed.mesh_welding import weld
from voxome.testing.volume_case import any_example
from voxome.tools.common.meshing.measures import is_watertight

BITS = 10


def stored(mesh: Mesh, low: Any, node: Any) -> Mesh:
    """The mesh as it is after it was cut into nodes, encoded, decoded and joined (x, y, z of corner and node)."""
    grid = Grid(np.asarray(low, float), np.asarray(node, float), BITS)
    pieces = cut(mesh, grid, 0)
    assert len(pieces) > 1
    fragments = []
    for piece in pieces:
        points, faces = decode_draco_arrays(encode_draco_integers(piece.points, piece.faces))
        fragments.append((np.array(piece.position), points.reshape(-1, 3), faces.reshape(-1, 3)))
    points, faces = weld(fragments, grid.steps)
    return Mesh((grid.origin + points * grid.chunk_shape)[:, ::-1], faces[:, ::-1])


def parts(mesh: Mesh) -> int:
    """Number of parts that have no vertex in common."""
    faces = np.asarray(mesh.faces, np.int64)
    rows, columns = np.concatenate([faces[:, :2], faces[:, 1:]]).T
    count = len(mesh.vertices_nm)
    return int(connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count)))[0])


def has_opposite_edges(mesh: Mesh) -> bool:
    """Whether as many faces run along each edge, of two vertices, in one direction as in the other."""
    first, second = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    edges, opposite = (
        Counter(zip(first.tolist(), second.tolist(), strict=True)),
        Counter(zip(second.tolist(), first.tolist(), strict=True)),
    )
    return edges == opposite


def crown(points: int) -> Mesh:
    """A body whose top is a vertex at 0 among points that are in turn above and below it along x."""
    angle = np.arange(points) * 2 * np.pi / points
    ring = np.stack([100 * np.sin(angle), 100 * np.cos(angle), 50.0 * (-1) ** np.arange(points)], axis=1)
    following = np.roll(np.arange(points), -1)
    top = np.stack([np.full(points, points), np.arange(points), following], axis=1)
    bottom = np.stack([np.full(points, points + 1), following, np.arange(points)], axis=1)
    mesh = Mesh(np.concatenate([ring, [[0, 0, 0], [0, 0, -150]]]), np.concatenate([top, bottom]))
    return mesh if volume(mesh) > 0 else Mesh(mesh.vertices_nm, mesh.faces[:, ::-1])


@pytest.mark.parametrize("points", [4, 6, 12])
def test_a_vertex_around_which_the_surface_leaves_its_node_and_comes_back_is_one(points: int) -> None:
    """Its faces in a node meet only there, so Draco stores it once for each of them."""
    mesh = crown(points)
    assert is_watertight(len(mesh.vertices_nm), mesh.faces)
    found = stored(mesh, (-150, -100, -100), (150, 200, 200))
    assert is_watertight(len(found.vertices_nm), found.faces)
    assert_allclose(volume(found), volume(mesh), rtol=1e-2)
    assert (np.abs(found.vertices_nm).max(axis=1) < 1).sum() == 1


def test_bodies_that_touch_on_a_border_stay_apart() -> None:
    """One ends on the border where the other begins, at a corner of both: no edge is on both sides."""
    mesh = Mesh.join([box((0, 0, 0), (100, 100, 100)), box((100, 100, 100), (200, 200, 200))])
    found = stored(mesh, (0, 0, 0), (100, 100, 100))
    assert parts(found) == 2
    assert is_watertight(len(found.vertices_nm), found.faces)


def test_bodies_at_the_same_place_stay_two() -> None:
    """Every choice is as good; one is made, and the edges beside it follow."""
    mesh = Mesh.join([box((0, 0, 0), (90, 90, 200))] * 2)
    found = stored(mesh, (0, 0, 0), (50, 45, 45))
    assert parts(found) == 2
    assert is_watertight(len(found.vertices_nm), found.faces)


corners_of_bodies = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=20, unique=True)
nodes = st.tuples(*[st.sampled_from([50, 70, 100, 150])] * 3)


def bodies(corners: list[tuple[int, int, int]]) -> list[Mesh]:
    """A box of 100 nm at each corner, and two far away."""
    return [box(100 * np.array(corner), 100 * np.array(corner) + 100) for corner in [*corners, (5, 5, 5), (9, 9, 9)]]


@pytest.mark.slow
@any_example
@given(corners=corners_of_bodies, node=nodes)
def test_bodies_that_share_corners_stay_apart(corners: list[tuple[int, int, int]], node: tuple[int, int, int]) -> None:
    boxes = bodies([corner for corner in corners if len({length % 2 for length in corner}) == 1])
    found = stored(Mesh.join(boxes), (0, 0, 0), node)
    assert is_watertight(len(found.vertices_nm), found.faces)
    assert parts(found) == len(boxes)
    assert_allclose(volume(found), len(boxes) * 1e6, rtol=2e-2)


@pytest.mark.slow
@any_example
@given(corners=corners_of_bodies, node=nodes)
def test_bodies_that_share_walls_or_edges_are_closed(
    corners: list[tuple[int, int, int]], node: tuple[int, int, int]
) -> None:
    """Draco makes one of the vertices of both in a node, so an edge there may have four faces."""
    found = stored(Mesh.join(bodies(corners)), (0, 0, 0), node)
    assert has_opposite_edges(found)
    assert_allclose(volume(found), (len(corners) + 2) * 1e6, rtol=2e-2)


def test_faces_without_agreed_directions_are_joined_too() -> None:
    """Another program's fragments may run along an edge in the same direction."""
    left = np.array([[3, 0, 0], [10, 0, 0], [10, 5, 0]])
    right = np.array([[0, 0, 0], [0, 5, 0], [5, 0, 0]])
    one, other = np.array([0, 0, 0]), np.array([1, 0, 0])
    face: NDArray[np.uint32] = np.array([[0, 1, 2]], np.uint32)
    points, faces = weld([(one, left, face), (other, right, face)], 10)
    assert len(points) == 4
    assert faces.tolist() == [[0, 1, 2], [1, 2, 3]]
