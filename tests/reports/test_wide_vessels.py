from __future__ import annotations

import numpy as np
import pytest

from voxome.reports.cell_pictures import CellSlice
from voxome.reports.wide_vessels import wide_vessel_facts

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
    assert facts.keys() == {"wide vessels"}
    assert "2 of 3 branches" in facts["wide vessels"]
    assert "up to 7.6 µm" in facts["wide vessels"]
    assert "vessel_background_um to at least 38" in facts["wide vessels"]
    assert wide_vessel_facts(np.array([5999.0]), [plane(0)], 30.0) == {}


def test_wide_dark_areas_outside_of_vessels_are_named() -> None:
    facts = wide_vessel_facts(RADII, [plane(15), plane(0)], 30.0)
    assert facts.keys() == {"dark areas that are no vessels"}
    assert "vessel_background_um to at least 60" in facts["dark areas that are no vessels"]


@pytest.mark.parametrize(
    "one", [plane(0), plane(6), plane(15, found=True), plane(15, data=False)], ids=["none", "cell", "found", "no data"]
)
def test_vessels_cells_and_missing_data_are_no_dark_areas(one: CellSlice) -> None:
    assert wide_vessel_facts(RADII, [one], 30.0) == {}
