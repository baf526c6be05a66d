"""Distances to the surface of objects."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.tools.common.skeletonization.distance import face_distance, surface_distance


@pytest.mark.parametrize("size_nm", [(40, 16, 16), (16, 16, 16), (90, 7.3, 11.9)])
@pytest.mark.parametrize("is_border", [True, False])
def test_the_face_of_a_voxel_outside_is_the_nearest_of_all(size_nm: tuple[float, ...], is_border: bool) -> None:
    random = np.random.default_rng(0)
    labels = (random.random((9, 12, 11)) < 0.98).astype(np.uint32)
    points = np.argwhere(labels)
    distance = surface_distance(labels, size_nm, [(is_border, is_border)] * 3)[tuple(points.T)]
    found = face_distance(labels, points, distance, np.array(size_nm, float), np.full((3, 2), is_border))
    outside = np.argwhere(np.pad(labels, 1) == 0) - 1 if is_border else np.argwhere(labels == 0)
    steps = np.maximum(np.abs(points[:, None] - outside) - 0.5, 0) * size_nm
    assert np.allclose(found, np.linalg.norm(steps, axis=-1).min(axis=1))


def test_an_object_without_a_surface_in_sight_has_a_finite_distance() -> None:
    labels = np.ones((4, 4, 4), np.uint32)
    unknown = [(False, False)] * 3
    distance = surface_distance(labels, (8, 8, 8), unknown)[1:2, 1, 1]
    found = face_distance(labels, np.array([[1, 1, 1]]), distance, np.full(3, 8.0), np.array(unknown))
    assert np.isfinite(found).all()
