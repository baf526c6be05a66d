"""Tests of pyramids."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from voxome.contracts.abilities import (
    SupportsLevels,
    ability,
)
from voxome.contracts.source import VolumeRemote, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.testing.strategies import noise
from voxome.testing.volume_case import VolumeCase


class VolumeLevels(VolumeCase):
    """Tests of pyramids."""

    def test_levels_are_created_and_read(self, remote: VolumeRemote, new_uri: Callable[[], Uri]) -> None:
        if not self.levels:
            pytest.skip("the remote creates no pyramids")
        uri = new_uri()
        spec = self.spec(voxel_size_nm=(40.0, 4.0, 8.0))
        source = self.create_or_skip(remote, uri, spec)
        source.write(spec.domain, array := noise(spec.domain.shape, spec.dtype))
        for scale in [(1, 2, 2), (2, 4, 4)]:
            self.add_level(source, spec, scale)
        again = ability(remote.open(uri), SupportsLevels)
        assert again is not None
        assert [level.scale for level in again.levels] == [(1, 1, 1), (1, 2, 2), (2, 4, 4)]
        assert_array_equal(again.level(0).read(spec.domain), array)
        for number, (fine, coarse) in enumerate(pairwise(again.levels), start=1):
            part = again.level(number)
            assert fine.voxel_size_nm is not None
            assert coarse.voxel_size_nm is not None
            assert all(a <= b for a, b in zip(fine.voxel_size_nm, coarse.voxel_size_nm, strict=True))
            assert (part.spec.voxel_size_nm, part.spec.offset_nm) == (coarse.voxel_size_nm, coarse.offset_nm)
            assert (part.read(part.spec.domain) == number).all()

    def add_level(self, source: VolumeSource, spec: VolumeSpec, scale: tuple[int, int, int]) -> None:
        """Add a level filled with its number, and check its voxel size and offset."""
        pyramid = ability(source, SupportsLevels)
        assert pyramid is not None
        assert spec.voxel_size_nm is not None
        number, fine = len(pyramid.levels), np.array(spec.voxel_size_nm)
        part = pyramid.create_level(scale)
        part.write(part.spec.domain, np.full(part.spec.domain.shape, number, spec.dtype))
        assert part.spec.voxel_size_nm == pytest.approx(fine * scale)
        centre = spec.offset_nm + (np.array(scale) - 1) / 2 * fine
        assert part.spec.offset_nm == pytest.approx(centre)
        assert pyramid.levels[number].scale == scale
        assert pyramid.levels[number].offset_nm == pytest.approx(centre)
