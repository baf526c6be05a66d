"""Tests of the places of two volumes."""

from __future__ import annotations

import re

import pytest

from voxome.contracts.placement import placement_problem
from voxome.contracts.spec import VolumeSpec


def spec(offset_nm: tuple[float, float, float], size: float = 10) -> VolumeSpec:
    return VolumeSpec.of((4, 4, 4), "uint8", voxel_size_nm=(size, size, size), offset_nm=offset_nm)


def test_volumes_at_one_place_have_no_problem() -> None:
    assert placement_problem("a", spec((20, 0, 0)), "b", spec((25, 0, 0))) is None


@pytest.mark.parametrize(
    ("one", "other", "advice"),
    [
        ((20, 0, 0), (0, 0, 0), "; if b has only lost its offset, copy the other"),
        ((0, 0, 0), (20, 0, 0), "; if a has only lost its offset, copy the other"),
        ((20, 0, 0), (40, 0, 0), r"add \?start=2,0,0 to the URI of b$"),
    ],
)
def test_the_advice_names_what_may_have_lost_its_offset(
    one: tuple[int, int, int], other: tuple[int, int, int], advice: str
) -> None:
    problem = placement_problem("a", spec(one), "b", spec(other))
    assert problem is not None
    assert re.search(advice, problem)


def test_voxels_of_another_size_are_a_problem() -> None:
    assert "has voxels of 11,11,11 nm" in str(placement_problem("a", spec((0, 0, 0)), "b", spec((0, 0, 0), 11)))
