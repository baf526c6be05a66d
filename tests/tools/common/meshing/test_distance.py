"""Distances between surfaces."""

from __future__ import annotations

import numpy as np
import pytest
from tools.common.meshing.surfaces import blob, join_blocks

from voxome.tools.common.meshing.distance import SurfaceTree

TRIANGLE = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0]])
FACE = np.array([[0, 1, 2]], np.int32)


@pytest.mark.parametrize(
    ("point", "distance"),
    [
        ((1, 1, 3), 3),
        ((-3, -4, 0), 5),
        ((2, -2, 0), 2),
        ((7, -4, 0), 5),
        ((4, 4, 0), np.sqrt(8)),
        ((1, 1, 0), 0),
        ((-1, 8, 0), np.sqrt(17)),
    ],
)
def test_the_nearest_point_is_on_the_face_an_edge_or_a_corner(point: tuple[float, ...], distance: float) -> None:
    other = np.array([point, point, point], np.float64)
    farthest, near = SurfaceTree.of(TRIANGLE, FACE).farthest(other, FACE, 1.5, 0.0)
    assert farthest == pytest.approx(distance)
    assert near.tolist() == [0 if distance > 1.5 else -1]


@pytest.mark.slow
def test_points_within_faces_count_not_only_vertices() -> None:
    # A roof over the triangle: its corners are on it, its ridge is not.
    roof = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [4 / 3, 4 / 3, 2]])
    faces = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    flat = SurfaceTree.of(TRIANGLE, FACE).farthest(roof, faces, 10, 1e-3)[0]
    assert flat == pytest.approx(2, abs=2e-3)
    there = SurfaceTree.of(roof, faces).farthest(TRIANGLE, FACE, 10, 1e-3)[0]
    dense = _barycentric(60) @ TRIANGLE
    expected = _brute(dense, roof[faces])
    assert expected - 0.05 <= there - 1e-3 <= expected + 0.05
    assert there > 0.5


@pytest.mark.slow
def test_distances_are_those_of_all_pairs_of_points_and_faces() -> None:
    rng = np.random.default_rng(0)
    corners = rng.normal(0, 10, (40, 1, 3)) + rng.normal(0, 2, (40, 3, 3))
    tree = SurfaceTree.of(corners.reshape(-1, 3), np.arange(120, dtype=np.int32).reshape(-1, 3))
    for point in rng.normal(0, 15, (50, 3)):
        found = tree.farthest(np.array([point] * 3), FACE, 1e9, 0.0)[0]
        assert found == pytest.approx(_brute(point[None], corners), rel=1e-9)


def test_the_farthest_point_is_found_within_the_tolerance() -> None:
    vertices, faces = join_blocks(blob().astype(np.uint8), (99, 99, 99))[1]
    at = vertices.astype(np.float64)
    moved = at + np.where(np.arange(len(at))[:, None] == 100, 3.0, 0.0)
    exact = SurfaceTree.of(at, faces).farthest(moved, faces, 100, 0.05)[0]
    rough = SurfaceTree.of(at, faces).farthest(moved, faces, 100, 0.5)[0]
    assert 1 < exact - 0.05 <= rough <= exact + 0.5
    assert SurfaceTree.of(at, faces).farthest(at, faces, 100, 0.1)[0] <= 0.1


def test_faces_beyond_the_limit_are_named() -> None:
    high = np.concatenate([TRIANGLE + np.array([0, 0, above]) for above in (1, 3)])
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    assert SurfaceTree.of(TRIANGLE, FACE).farthest(high, faces, 2, 0.1)[1].tolist() == [-1, 0]


def _barycentric(count: int) -> np.ndarray:
    return np.array([(a, b, count - a - b) for a in range(count + 1) for b in range(count + 1 - a)]) / count


def _brute(points: np.ndarray, corners: np.ndarray) -> float:
    """Return the largest distance of points to triangles."""
    return max(min(_project(point, *triangle) for triangle in corners) for point in points)


def _project(point: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Return the distance to a triangle: to its plane if the foot is inside, else to an edge."""
    edges = np.stack([b - a, c - a], axis=1)
    v, w = np.linalg.lstsq(edges, point - a, rcond=None)[0]
    if v >= 0 and w >= 0 and v + w <= 1:
        return float(np.linalg.norm(a + edges @ (v, w) - point))
    return min(_to_segment(point, a, b), _to_segment(point, b, c), _to_segment(point, c, a))


def _to_segment(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    t = np.clip((point - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return float(np.linalg.norm(a + t * (b - a) - point))
