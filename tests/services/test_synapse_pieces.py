"""Pieces of objects with several cores."""

from __future__ import annotations

import time

import numpy as np

from voxome.services.synapse_pieces import cut


def test_voxels_go_to_the_nearest_core_of_their_own_object() -> None:
    objects, cores = np.zeros((2, 3, 12, 12), np.uint64)
    objects[1, 2:10, 2], objects[1, 2:10, 8], objects[:, 0, 0] = 2**63 + 5, 7, 9
    cores[1, 2, 2], cores[1, 9, 2], cores[1, 2, 8], cores[1, 9, 8], cores[1, 0, 0] = 30, 20, 41, 40, 50
    owners = {
        "core": np.array([20, 30, 40, 41], np.uint64),
        "object": np.array([2**63 + 5, 2**63 + 5, 7, 7], np.uint64),
    }
    expected = np.zeros_like(objects)
    expected[1, 2:6, 2], expected[1, 6:10, 2], expected[1, 2:6, 8], expected[1, 6:10, 8] = 30, 20, 41, 40
    np.testing.assert_array_equal(cut(objects, cores, owners, (10, 10, 10)), expected)


def test_objects_elsewhere_cost_a_block_nothing() -> None:
    objects = np.ones((4, 8, 8), np.uint64)
    cores = np.zeros_like(objects)
    cores[0, 0, 0], cores[3, 7, 7] = 1, 2
    ids = np.arange(1, 2_000_001, dtype=np.uint64)
    owners = {"core": ids, "object": (ids + np.uint64(1)) // np.uint64(2)}
    began = time.process_time()
    assert set(np.unique(cut(objects, cores, owners, (10, 10, 10)))) == {1, 2}
    assert time.process_time() - began < 3
