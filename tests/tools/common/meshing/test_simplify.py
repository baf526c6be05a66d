"""Simplification to a measured distance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.meshing.surfaces import blob, count_parts, join_blocks, pieces_by_id

from voxome.tools.common.meshing import simplify as module
from voxome.tools.common.meshing.collapse import MAX_VALENCE
from voxome.tools.common.meshing.distance import SurfaceTree
from voxome.tools.common.meshing.measures import border_vertices, is_watertight, volume_of
from voxome.tools.common.meshing.simplify import Surface, simplify

SIZE = np.array([40.0, 32, 32])


def surface_of(mask: NDArray[np.bool_], size: NDArray[np.float64] = SIZE) -> Surface:
    vertices, faces = join_blocks(mask.astype(np.uint8), mask.shape)[1]
    return Surface(vertices * size / 2, faces)


def two_sided(one: Surface, other: Surface) -> float:
    trees = [SurfaceTree.of(surface.vertices, surface.faces) for surface in (one, other)]
    return max(
        trees[1].farthest(one.vertices, one.faces, 1e9, 0.5)[0],
        trees[0].farthest(other.vertices, other.faces, 1e9, 0.5)[0],
    )


@pytest.mark.slow
@pytest.mark.parametrize("bound", [10, 40, 80])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_distance_stays_within_the_bound_and_is_reported(bound: float, seed: int) -> None:
    full = surface_of(blob(seed=seed))
    reduced = simplify(full, bound)
    measured = two_sided(full, reduced)
    assert len(reduced.faces) < 0.5 * len(full.faces)
    assert measured - 0.5 <= reduced.error_nm <= bound
    assert reduced.error_nm <= max(measured, 0.2 * bound) + 0.1 * bound


def test_forty_nanometres_need_a_quarter_of_the_faces() -> None:
    full = surface_of(blob((40, 48, 48)))
    assert len(simplify(full, 40).faces) <= 0.25 * len(full.faces)


@pytest.mark.parametrize("bound", [10, 40, 200, 5000])
def test_a_closed_surface_stays_one(bound: float) -> None:
    rng = np.random.default_rng(3)
    masks = [blob(), rng.random((9, 9, 9)) < 0.3, np.pad(np.ones((1, 9, 9), bool), 1), np.pad(_ring(), 1)]
    for mask in masks:
        full = surface_of(mask)
        reduced = simplify(full, bound)
        assert is_watertight(len(reduced.vertices), reduced.faces)
        assert volume_of(reduced.vertices, reduced.faces) > 0
        assert _euler(reduced) == _euler(full)
        assert count_parts(reduced.vertices, reduced.faces) == count_parts(full.vertices, full.faces)
        assert np.bincount(reduced.faces.ravel()).max() <= max(MAX_VALENCE, np.bincount(full.faces.ravel()).max())
        assert reduced.error_nm <= bound
        assert (reduced.vertices.min(axis=0) >= full.vertices.min(axis=0)).all()
        assert (reduced.vertices.max(axis=0) <= full.vertices.max(axis=0)).all()


def test_a_single_voxel_stays_closed() -> None:
    for bound in (10, 40, 1000):
        reduced = simplify(surface_of(np.ones((1, 1, 1), bool)), bound)
        assert len(reduced.faces) >= 4
        assert is_watertight(len(reduced.vertices), reduced.faces)
        assert volume_of(reduced.vertices, reduced.faces) > 0


def test_vertices_at_the_border_of_an_open_surface_stay_bitwise() -> None:
    for piece in pieces_by_id(blob().astype(np.uint8), (12, 14, 16))[1]:
        full = Surface(piece.vertices * SIZE / 2, piece.faces.astype(np.int32))
        border = border_vertices(len(full.vertices), full.faces)
        assert border.any()
        assert not border[np.setdiff1d(np.arange(len(border)), piece.borders)].any()
        reduced = simplify(full, 40)
        kept = set(map(tuple, reduced.vertices.tolist()))
        assert set(map(tuple, full.vertices[border].tolist())) <= kept
        assert len(reduced.faces) < len(full.faces)
        assert reduced.error_nm <= 40


def test_a_place_that_is_too_far_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHARE", 0.5)
    monkeypatch.setattr(module, "_REACH", 4.0)
    full = surface_of(blob())
    reduced = simplify(full, 40)
    assert two_sided(full, reduced) <= 40.5
    assert len(reduced.faces) < len(full.faces)


def test_a_bound_of_zero_keeps_the_surface() -> None:
    full = surface_of(blob())
    assert simplify(full, 0) is full


def test_the_result_is_the_same_every_time() -> None:
    full = surface_of(blob())
    one, other = simplify(full, 40), simplify(full, 40)
    np.testing.assert_array_equal(one.vertices, other.vertices)
    np.testing.assert_array_equal(one.faces, other.faces)


def _ring() -> NDArray[np.bool_]:
    ring = np.ones((3, 9, 9), bool)
    ring[:, 3:6, 3:6] = False
    return ring


def _euler(surface: Surface) -> int:
    return len(surface.vertices) - len(surface.faces) // 2
