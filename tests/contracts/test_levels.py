"""Levels: their order, their scales, and specs of coarser ones."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.levels import (
    Level,
    coarser,
    finest_first,
    require_coarser,
    require_scale,
    scale_between,
)
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, NotFound
from voxome.testing.strategies import specs

SCALES = st.tuples(*[st.integers(1, 5)] * 3)


@given(spec=specs(), scale=SCALES)
def test_every_voxel_is_covered_by_a_coarse_voxel(spec: VolumeSpec, scale: tuple[int, int, int]) -> None:
    level = coarser(spec, scale)
    covered = [
        np.unique(np.arange(a, b) // f) for a, b, f in zip(spec.frame.start, spec.frame.stop, scale, strict=True)
    ]
    assert level.domain.start == tuple(one[0] for one in covered)
    assert level.domain.shape == tuple(one.size for one in covered)


@given(spec=specs(), scale=SCALES)
def test_a_coarse_voxel_is_centred_on_its_fine_voxels(spec: VolumeSpec, scale: tuple[int, int, int]) -> None:
    level = coarser(spec, scale)
    assert spec.voxel_size_nm is not None
    assert level.voxel_size_nm is not None
    for o, s, f, oc, sc in zip(
        spec.offset_nm, spec.voxel_size_nm, scale, level.offset_nm, level.voxel_size_nm, strict=True
    ):
        assert oc + 3 * sc == pytest.approx(o + s * np.arange(3 * f, 4 * f).mean())


def test_channels_are_not_downsampled() -> None:
    level = coarser(VolumeSpec.of((2, 5, 6, 7), "uint8"), (1, 2, 3))
    assert level.domain.shape == (2, 5, 3, 3)
    assert level.voxel_size_nm is None


def test_ratios_within_2_percent_of_an_integer_are_scales() -> None:
    assert scale_between((80, 8, 8), (40, 4, 4)) == (2, 2, 2)
    assert scale_between((40, 8.02, 8), (40, 4, 4)) == (1, 2, 2)
    for size in [(60, 8, 8), (40, 8.333, 8), (20, 4, 4)]:
        assert scale_between(size, (40, 4, 4)) is None
    assert scale_between(None, (1, 1, 1)) is None


@given(
    sizes=st.lists(st.tuples(*[st.sampled_from([1.0, 1.5, 2.0, 4.0])] * 3), min_size=1, unique_by=math.prod),
    order=st.randoms(use_true_random=False),
)
def test_levels_are_sorted_by_the_size_of_their_voxels(sizes: list[tuple[float, ...]], order: Random) -> None:
    order.shuffle(sizes)
    found = [math.prod(sizes[i]) for i in finest_first(sizes)]
    assert found == sorted(found)


def test_a_level_of_unknown_size_follows_its_predecessor() -> None:
    assert finest_first([(1, 1, 1), (2, 2, 2), None, (4, 4, 4)]) == [0, 1, 2, 3]
    assert finest_first([(4, 4, 4), None, (1, 1, 1)]) == [2, 0, 1]
    assert finest_first([None, (1, 1, 1)]) == [0, 1]


def test_a_new_level_must_be_coarser_than_the_last() -> None:
    levels = [Level((40, 4, 4), scale=(1, 1, 1)), Level((40, 8, 8), scale=(1, 2, 2))]
    require_coarser("a", levels, (1, 4, 4))
    for scale in [(1, 2, 2), (2, 1, 4), (2, 2)]:
        with pytest.raises(InvalidInput, match="coarser"):
            require_coarser("a", levels, scale)  # type: ignore[arg-type]


def test_a_level_without_an_integer_scale_is_not_downsampled() -> None:
    levels = [Level((30, 4, 4), scale=(1, 1, 1)), Level((45, 6, 6))]
    with pytest.raises(InvalidInput, match=r"level 1, 45,6,6 nm .*level 0, 30,4,4 nm"):
        require_coarser("a", levels, (4, 4, 4))
    with pytest.raises(NotFound, match="a has no level 2: its levels are 0 to 1"):
        require_scale("a", levels, 2)
