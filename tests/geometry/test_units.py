"""Lengths in nm."""

from __future__ import annotations

import pytest

from voxome.geometry.units import min_voxels, nm_per


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1),
        (" Nanometer ", 1),
        ("µm", 1000),
        ("\u03bcm", 1000),
        ("micron", 1000),
        ("mm", 1e6),
        ("cm", 1e7),
        ("meter", 1e9),
        ("angstrom", 0.1),
        ("Å", 0.1),
    ],
)
def test_units_are_converted_to_nm(unit: str, nm: float) -> None:
    assert nm_per(unit) == nm


@pytest.mark.parametrize("unit", [None, "", "pixel", "second", "furlong"])
def test_unknown_units_give_none(unit: str | None) -> None:
    assert nm_per(unit) is None


@pytest.mark.parametrize(("size", "voxels"), [((10, 10, 10), 100), ((40, 10, 10), 25), ((30, 4, 4), 209)])
def test_a_volume_is_the_smallest_number_of_voxels_that_have_it(size: tuple[int, int, int], voxels: int) -> None:
    assert min_voxels(0.0001, size) == voxels
