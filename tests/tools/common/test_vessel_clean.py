"""The mask of vessels: threshold, closing, size window and voids; the same for any blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from voxome.contracts.context import BlockContext
from voxome.contracts.frame import Frame
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import BlockGrid, Box
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile, write_table
from voxome.tools.common.vessel_clean import vessel_clean
from voxome.tools.common.vessel_mask import vessel_mask
from voxome.tools.common.vessel_runs import vessel_runs
from voxome.tools.common.vessels.runs import RUNS

SHAPE = (20, 24, 28)
DOMAIN = Box.of_shape(SHAPE, (3, -5, 7))
FRAME = Frame(DOMAIN, DOMAIN, (1000.0, 1000.0, 1000.0), (0.0, 0.0, 0.0))


def cleaned(
    image: np.ndarray, folder: Path, block: tuple[int, int, int] = SHAPE, closing_um: float = 0, **options: object
) -> tuple[np.ndarray, dict[str, int]]:
    """The mask and the counts of all blocks."""
    halo = vessel_runs.spec.compute_halo({"closing_um": closing_um}, FRAME.scale_nm)
    blocks = [BlockContext(b.write, b.read, FRAME) for b in BlockGrid(DOMAIN, block, halo=halo)]
    parts = [vessel_runs(image[b.read.within(DOMAIN)], closing_um=closing_um, block=b)["runs"] for b in blocks]
    write_table(folder / "runs.parquet", RUNS.folding.apply(concatenate(parts)), RUNS.columns)
    result = vessel_clean(TableFile(folder / "runs.parquet"), frame=FRAME, **options)
    write_table(folder / "clean.parquet", result["runs"], RUNS.columns)
    mask = np.zeros(SHAPE, np.uint8)
    for b in blocks:
        inner = BlockContext(b.write, b.write, FRAME)
        at = b.write.within(DOMAIN)
        mask[at] = vessel_mask(image[at], TableFile(folder / "clean.parquet"), block=inner)
    assert set(np.unique(mask)) <= {0, 255}
    return mask > 0, {name: int(values[0]) for name, values in result["counts"].items()}


def smooth_noise(seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(SHAPE), 1.2)
    return np.clip((noise - 0.3) * 637, 0, 255).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("block", [(10, 12, 14), (7, 8, 10), (20, 1, 28), (3, 24, 5)])
@pytest.mark.parametrize("closing_um", [0, 2.5])
def test_the_mask_does_not_depend_on_blocks(block: tuple[int, int, int], closing_um: float, tmp_path: Path) -> None:
    image = smooth_noise(3)
    options = {"closing_um": closing_um, "min_volume_um3": 40 if closing_um == 0 else 0}
    mask, counts = cleaned(image, tmp_path, block, **options)
    expected, expected_counts = cleaned(image, tmp_path, **options)
    assert counts == expected_counts
    assert (counts["small_objects"] > 0) == (closing_um == 0)
    assert (mask == expected).all()
    assert counts["voxels"] == mask.sum()


@pytest.mark.parametrize("cut", range(1, 20))
def test_objects_are_measured_after_they_are_merged(cut: int, tmp_path: Path) -> None:
    image = np.zeros(SHAPE, np.uint8)
    image[:, 3, 3:5] = 255  # 40 voxels
    image[2:11, 9, 3] = image[11, 10, 4] = 128  # 10 voxels, corner to corner
    image[2:11, 15, 3] = 200  # 9 voxels
    mask, counts = cleaned(image, tmp_path, (cut, 24, 28), min_volume_um3=10)
    assert (mask == (image > 0) & (image != 200)).all()
    assert (counts["objects"], counts["small_objects"], counts["small_voxels"]) == (2, 1, 9)
    mask, counts = cleaned(image, tmp_path, (cut, 24, 28), max_volume_um3=39)
    assert (counts["objects"], counts["large_objects"], counts["large_voxels"]) == (2, 1, 40)
    assert cleaned(image, tmp_path, max_volume_um3=40)[1]["large_objects"] == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_piece_of_a_vessel_at_a_face_is_no_small_object(axis: int, tmp_path: Path) -> None:
    image = np.zeros(SHAPE, np.uint8)
    piece = [slice(8, 11)] * 3
    piece[axis] = slice(SHAPE[axis] - 11, SHAPE[axis])
    image[tuple(piece)] = 255  # 99 voxels of a vessel
    short = [slice(16, 19)] * 3
    short[axis] = slice(0, 8)
    image[tuple(short)] = 128  # 72 voxels, shorter than the edge of a cube of 1000
    image[13:18, 12:17, 21:26] = image[:5, :5, :5] = 200  # 125 voxels, as long as wide; one in a corner
    image[7, 2:20, 2] = 90 + 128  # longer, but inside
    mask, counts = cleaned(image, tmp_path, (7, 8, 10), min_volume_um3=1000)
    assert (mask == (image == 255)).all()
    assert (counts["objects"], counts["small_objects"]) == (1, 4)


def test_voids_are_filled_and_counted(tmp_path: Path) -> None:
    image = np.full(SHAPE, 255, np.uint8)
    image[5, 5, 5] = image[10, 10, 10:13] = 0
    image[:4, 20, 20] = 0
    mask, counts = cleaned(image, tmp_path, (7, 6, 11))
    assert (counts["voids"], counts["void_voxels"]) == (2, 4)
    assert mask.sum() == mask.size - 4


def test_a_closing_bridges_gaps_and_leaves_faces_alone(tmp_path: Path) -> None:
    image = np.zeros(SHAPE, np.uint8)
    image[:, 8:13, 8:13] = 255
    image[9:11] = 0
    mask, _ = cleaned(image, tmp_path, (7, 8, 10), closing_um=2)
    assert mask[9:11, 10, 10].all()
    assert (mask[0] == (image[0] > 0)).all()
    assert (mask[-1] == (image[-1] > 0)).all()
    assert (mask[image > 0]).all()


def test_an_empty_volume_has_no_vessels(tmp_path: Path) -> None:
    mask, counts = cleaned(np.zeros(SHAPE, np.uint8), tmp_path, (7, 8, 10))
    assert not mask.any()
    assert set(counts.values()) == {0}


def test_an_unknown_voxel_size_is_refused() -> None:
    unknown = {"probability": VolumeSpec.of(SHAPE, "uint8", kind="probability")}
    known = {"probability": VolumeSpec.of(SHAPE, "uint8", kind="probability", voxel_size_nm=(650, 650, 650))}
    assert "voxel size" in next(iter(vessel_runs.spec.check(unknown, {})))
    assert not list(vessel_runs.spec.check(known, {}))
