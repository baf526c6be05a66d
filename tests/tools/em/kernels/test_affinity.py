from __future__ import annotations

import itertools

import numpy as np

from voxome.tools.em.kernels.affinity import NEAR, membrane_map, near_affinities


def test_affinity_is_that_of_the_worse_voxel() -> None:
    membrane = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
    affinities = near_affinities(membrane)
    for k, point in itertools.product(range(3), np.ndindex(3, 4, 5)):
        there = tuple(p + o for p, o in zip(point, NEAR[k], strict=True))
        outside = any(i >= n for i, n in zip(there, membrane.shape, strict=True))
        expected = 0 if outside else 255 - max(int(membrane[point]), int(membrane[there]))
        assert affinities[(k, *point)] == expected


def test_membrane_is_the_mean_of_the_affinities_around() -> None:
    affinities = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 5)).astype(np.uint8)
    membrane = membrane_map(affinities)
    here = affinities[:3, 1, 2, 3].astype(int).sum()
    before = int(affinities[0, 0, 2, 3]) + int(affinities[1, 1, 1, 3]) + int(affinities[2, 1, 2, 2])
    assert membrane[1, 2, 3] == 255 - (here + before) // 6
    assert membrane[0, 0, 0] == 255 - affinities[:3, 0, 0, 0].astype(int).sum() // 3


def test_membrane_needs_one_voxel_before() -> None:
    affinities = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 6)).astype(np.uint8)
    np.testing.assert_array_equal(
        membrane_map(affinities[:, 2:, 2:, 2:])[1:, 1:, 1:], membrane_map(affinities)[3:, 3:, 3:]
    )
