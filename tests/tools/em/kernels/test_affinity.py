from __future__ import annotations

import itertools

import numpy as np

from voxome.tools.em.kernels.affinity import IN_MEMBRANE, NEAR, membrane_map, near_affinities


def test_the_affinity_of_a_pair_is_that_of_the_voxel_more_in_membrane() -> None:
    membrane = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
    affinities = near_affinities(membrane)
    for k, point in itertools.product(range(3), np.ndindex(3, 4, 5)):
        there = tuple(p + o for p, o in zip(point, NEAR[k], strict=True))
        outside = any(i >= n for i, n in zip(there, membrane.shape, strict=True))
        worse = 0 if outside else max(int(membrane[point]), int(membrane[there]))
        assert affinities[(k, *point)] == (0 if outside else 255 - (255 - IN_MEMBRANE) * worse // 255)


def test_membrane_is_where_an_adjacent_affinity_is_low() -> None:
    affinities = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 5)).astype(np.uint8)
    membrane = membrane_map(affinities)
    before = [affinities[0, 0, 2, 3], affinities[1, 1, 1, 3], affinities[2, 1, 2, 2]]
    assert membrane[1, 2, 3] == 255 - min(*affinities[:3, 1, 2, 3], *before)
    assert membrane[0, 0, 0] == 255 - affinities[:3, 0, 0, 0].min()
    assert membrane.dtype == np.uint8


def test_a_membrane_map_depends_on_one_voxel_before() -> None:
    affinities = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 6)).astype(np.uint8)
    np.testing.assert_array_equal(
        membrane_map(affinities[:, 2:, 2:, 2:])[1:, 1:, 1:], membrane_map(affinities)[3:, 3:, 3:]
    )
