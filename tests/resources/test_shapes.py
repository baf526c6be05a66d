"""Meshes and skeletons as mappings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, NotFound

SIZE_NM = (40.0, 10.0, 10.0)


@pytest.fixture
def labels() -> np.ndarray:
    voxels = np.zeros((6, 8, 10), np.uint64)
    voxels[1:3, 1:4, 1:9], voxels[4:, 5:] = 7, 2**63 + 1
    return voxels


@pytest.mark.parametrize("compute", [voxome.meshes, voxome.skeletons])
def test_shapes_by_id_are_a_mapping(compute: Callable[..., Any], labels: np.ndarray) -> None:
    found = compute(labels, voxel_size_nm=SIZE_NM)
    assert list(found) == [7, 2**63 + 1]
    assert len(found) == 2
    assert 7 in found
    assert 9 not in found
    assert "7" not in found
    assert [id for id, _ in found.items()] == list(dict(found))
    assert found.get(9) is None
    assert "of an array" in repr(found)


@pytest.mark.parametrize("compute", [voxome.meshes, voxome.skeletons])
def test_ids_that_are_wrong_or_absent_fail_at_once(compute: Callable[..., Any], labels: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="list of ids"):
        compute(labels, 7, voxel_size_nm=SIZE_NM)
    with pytest.raises(NotFound, match="9"):
        compute(labels, [7, 9], voxel_size_nm=SIZE_NM)
