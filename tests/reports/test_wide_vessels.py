from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from voxome.reports.cell_pictures import CellSlice
from voxome.reports.wide_vessels import level_sections, wide_vessel_facts

RADII = np.array([2000.0, 4000.0])
AWAY = np.hypot(*np.indices((100, 100)) - np.array([60, 60])[:, None, None])
THIN = np.hypot(*np.indices((100, 100)) - np.array([15, 15])[:, None, None]) < 6


def plane(radius: float, *, found: bool = False, data: bool = True) -> CellSlice:
    """Return a plane of pixels of 1 µm with a thin vessel that is found, and a dark disc."""
    disc = radius > AWAY
    grey = np.where(THIN | disc, 40, 140) + np.random.default_rng(1).integers(-9, 10, (100, 100))
    vessels = THIN | disc if found else THIN
    return CellSlice("z = 1", grey, grey, vessels, ~disc | data, np.empty((0, 4)), (1000.0, 1000.0))


def test_branches_as_wide_as_the_window_allows_are_named() -> None:
    facts = wide_vessel_facts(np.array([2000.0, 6000.0, 7600.0]), [plane(0)], 30.0)
    assert facts.keys() == {"wide vessels or dark areas"}
    assert "2 of 3 branches" in facts["wide vessels or dark areas"]
    assert "up to 7.6 µm" in facts["wide vessels or dark areas"]
    assert "vessel_background_um to at least 38" in facts["wide vessels or dark areas"]
    assert wide_vessel_facts(np.array([5999.0]), [plane(0)], 30.0) == {}


@pytest.mark.parametrize("dark", [np.indices((100, 100))[0] > 75, np.indices((100, 100)).sum(axis=0) > 150])
def test_the_advice_names_vessels_dark_sections_and_dark_corners(dark: np.ndarray) -> None:
    one = plane(0)
    facts = wide_vessel_facts(np.array([7600.0]), [replace(one, raw=np.where(dark, 40, one.raw))], 30.0)
    assert len(facts) == 2
    for text in facts.values():
        assert re.search("if they are vessels, .*if they are dark sections, .*of a dark corner, give a mask", text)


def test_wide_dark_areas_outside_of_vessels_are_named() -> None:
    facts = wide_vessel_facts(RADII, [plane(15), plane(0)], 30.0)
    assert facts.keys() == {"dark areas that are no vessels"}
    assert "vessel_background_um to at least 60" in facts["dark areas that are no vessels"]


def test_in_the_window_of_a_section_dark_sections_are_no_dark_areas() -> None:
    thin, wide = plane(0), plane(15)
    rows = np.indices((100, 100))[0]
    missing = (rows < 3) | (rows == 40)
    side = replace(thin, axis=1, raw=np.where(rows > 60, thin.raw - 90, thin.raw), tissue=~missing)
    section = replace(thin, raw=thin.raw - 100)
    assert wide_vessel_facts(RADII, [side, thin], 30.0).keys() == {"dark areas that are no vessels"}
    for one in (side, section):
        assert wide_vessel_facts(RADII, [level_sections(plane) for plane in (one, thin)], 30.0) == {}
    facts = wide_vessel_facts(RADII, [level_sections(replace(wide, axis=axis)) for axis in (0, 1)], 30.0)
    assert facts.keys() == {"dark areas that are no vessels"}


@pytest.mark.parametrize(
    "one", [plane(0), plane(6), plane(15, found=True), plane(15, data=False)], ids=["none", "cell", "found", "no data"]
)
def test_vessels_cells_and_missing_data_are_no_dark_areas(one: CellSlice) -> None:
    assert wide_vessel_facts(RADII, [one], 30.0) == {}
