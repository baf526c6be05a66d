"""Specs of coarser levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.remotes.levels import check_coarser, coarser, whole_scale
from voxome.testing.strategies import specs

SCALES = st.tuples(*[st.integers(1, 5)] * 3)


@given(spec=specs(), scale=SCALES)
def test_every_voxel_has_its_coarse_one(spec: VolumeSpec, scale: tuple[int, int, int]) -> None:
    level = coarser(spec, scale)
    covered = [
        np.unique(np.arange(a, b) // f) for a, b, f in zip(spec.frame.start, spec.frame.stop, scale, strict=True)
    ]
    assert level.domain.start == tuple(one[0] for one in covered)
    assert level.domain.shape == tuple(one.size for one in covered)


@given(spec=specs(), scale=SCALES)
def test_a_coarse_voxel_lies_at_the_middle_of_its_fine_ones(spec: VolumeSpec, scale: tuple[int, int, int]) -> None:
    level = coarser(spec, scale)
    assert spec.voxel_size_nm is not None
    assert level.voxel_size_nm is not None
    for o, s, f, oc, sc in zip(
        spec.offset_nm, spec.voxel_size_nm, scale, level.offset_nm, level.voxel_size_nm, strict=True
    ):
        assert oc + 3 * sc == pytest.approx(o + s * np.arange(3 * f, 4 * f).mean())


def test_channels_stay() -> None:
    level = coarser(VolumeSpec.of((2, 5, 6, 7), "uint8"), (1, 2, 3))
    assert level.domain.shape == (2, 5, 3, 3)
    assert level.voxel_size_nm is None


def test_scales_are_checked() -> None:
    assert whole_scale("a", (80, 8, 8), (40, 4, 4)) == (2, 2, 2)
    assert whole_scale("a", (40, 8.02, 8), (40, 4, 4)) == (1, 2, 2)
    with pytest.raises(UnsupportedFormat, match=r"1\.5"):
        whole_scale("a", (60, 8, 8), (40, 4, 4))
    check_coarser("a", (1, 2, 2), (1, 4, 4))
    for scale in [(1, 2, 2), (2, 1, 4), (2, 2)]:
        with pytest.raises(InvalidInput, match="coarser"):
            check_coarser("a", (1, 2, 2), scale)  # type: ignore[arg-type]
