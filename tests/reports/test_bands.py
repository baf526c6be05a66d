from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import voxome
from voxome.data.vascular.spec import TissueSpec
from voxome.data.vascular.write import write_phantom
from voxome.reports.bands import band_facts
from voxome.reports.cell_pictures import CellSlice

WINDOW_UM, SMOOTHING_UM = 13.0, 0.5
Z = np.arange(100)[:, None]
BANDS = 25 * np.sin(Z / 8) + 15 * np.sin(Z / 3.5)


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> CellSlice:
    """Return a side view of a phantom."""
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, TissueSpec((100, 3, 130), 3, "xrm"))
    grey = np.asarray(voxome.open(f"zarr://{folder}/raw.zarr")[:, 1])
    return CellSlice("y = 1", grey, grey, grey < 0, grey >= 0, np.empty((0, 4)), (650.0, 650.0), 1)


def brighten(side: CellSlice, by: np.ndarray) -> CellSlice:
    return replace(side, raw=np.rint(0.8 * side.raw + 10 + by).clip(0, 255).astype(np.uint8))


def test_bands_along_z_are_named_with_what_to_set(side: CellSlice) -> None:
    facts = band_facts([brighten(side, BANDS)], WINDOW_UM, SMOOTHING_UM)
    assert facts.keys() == {"bands along z"}
    assert "tile_z_um=0.65 and background_z_um=0.5" in facts["bands along z"]


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    "rows", [[7, 21, 48, 66, 90], [30, 31, 32], range(40, 52)], ids=["single sections", "a thin band", "8 µm"]
)
def test_few_bright_or_dark_sections_are_named(side: CellSlice, rows: Sequence[int], sign: int) -> None:
    by = np.zeros((100, 1))
    by[rows] = 30 * sign
    facts = band_facts([brighten(side, by)], WINDOW_UM, SMOOTHING_UM)
    assert facts.keys() == {"bands along z"}


@pytest.mark.parametrize("amount", [0, 12])
def test_sections_that_differ_less_than_the_voxels_in_them_are_no_bands(side: CellSlice, amount: float) -> None:
    by = np.zeros((100, 1))
    by[[7, 21, 48, 66, 90]] = amount
    assert band_facts([brighten(side, by)], WINDOW_UM, SMOOTHING_UM) == {}


def test_a_side_view_of_too_few_sections_of_a_deep_volume_is_named(side: CellSlice) -> None:
    few = replace(side, raw=side.raw[:70], tissue=side.tissue[:70])
    facts = band_facts([few], WINDOW_UM, SMOOTHING_UM, 100 * 650.0)
    assert facts == {"bands along z": "not looked for, as the side view has only 70 sections"}
    assert band_facts([few], WINDOW_UM, SMOOTHING_UM, 70 * 650.0) == {}


def test_a_single_section_is_no_band(side: CellSlice) -> None:
    assert band_facts([brighten(side, 90.0 * (Z == 50))], WINDOW_UM, SMOOTHING_UM) == {}


def test_a_vessel_along_the_sections_and_dark_corners_are_no_bands(side: CellSlice) -> None:
    vessel = -60.0 * ((abs(Z - 50) < 6) & (np.arange(130) < 60))
    corner = -60.0 * (Z + np.arange(130) < 80)
    for by in (vessel, corner):
        assert band_facts([brighten(side, by)], WINDOW_UM, SMOOTHING_UM) == {}


def test_few_dark_sections_are_named_beside_missing_ones(side: CellSlice) -> None:
    tissue = side.tissue.copy()
    tissue[::9], tissue[:, :20] = False, False
    by = np.zeros((100, 1))
    by[[7, 21, 48, 66, 91]] = -30
    dark = brighten(side, by)
    plain, banded = (replace(one, tissue=tissue, raw=np.where(tissue, one.raw, 0)) for one in (side, dark))
    assert band_facts([plain], WINDOW_UM, SMOOTHING_UM) == {}
    assert band_facts([banded], WINDOW_UM, SMOOTHING_UM).keys() == {"bands along z"}


def test_cells_shading_and_bands_across_z_are_no_bands(side: CellSlice) -> None:
    shading = np.linspace(-25, 25, 100)[:, None]
    across = 25 * np.sin(np.arange(130) / 8)
    for one in (side, brighten(side, shading), brighten(side, across)):
        assert band_facts([one], WINDOW_UM, SMOOTHING_UM) == {}


def test_sections_without_data_are_no_bands(side: CellSlice) -> None:
    tissue = side.tissue.copy()
    tissue[::3] = False
    tissue[40:] = False
    assert band_facts([replace(side, tissue=tissue, raw=np.where(tissue, side.raw, 0))], WINDOW_UM, SMOOTHING_UM) == {}
    assert band_facts([replace(side, tissue=np.zeros_like(tissue))], WINDOW_UM, SMOOTHING_UM) == {}


def test_sections_and_small_planes_say_nothing(side: CellSlice) -> None:
    banded = brighten(side, BANDS)
    assert band_facts([replace(banded, axis=0)], WINDOW_UM, SMOOTHING_UM) == {}
    assert band_facts([banded], 2 * WINDOW_UM, SMOOTHING_UM) == {}
