from __future__ import annotations

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
