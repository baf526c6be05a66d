"""Spheres of whole volumes and of blocks: positions, touching cells, faces, and what does not change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats
from tools.common.blockwise import as_file, frame_of, run_blocks

import voxome
from voxome.errors import PlanError, RunFailed
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.common.sphere_selection import SPHERES
from voxome.tools.common.spheres import spheres
from voxome.tools.common.spherical.candidates import highest_value
from voxome.tools.common.spherical.places import refine, window_nm

Points = NDArray[np.float64]
UM = 1000.0


def draw(shape: tuple[int, ...], centres: Points, radii: list[float], scale: tuple[float, ...] = (1.0,) * 3) -> Any:
    """Balls of certainty, in voxels, with the edge of a voxel blurred: the fraction of it that is inside."""
    volume = np.zeros(shape)
    grid = np.stack(np.indices(shape), axis=-1)
    for centre, radius in zip(centres, radii, strict=True):
        distance = np.linalg.norm((grid - centre) * scale, axis=-1)
        volume = np.maximum(volume, np.clip(radius + 0.5 - distance, 0, 1))
    return np.rint(255 * volume).astype(np.uint8)


def detect(
    volume: NDArray[Any],
    out: Path,
    *,
    size: Any = (UM,) * 3,
    block: Any = None,
    workers: int = 0,
    min_score: float = 0.0,
    **parameters: Any,
) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Cells and labels of the three tools, one after the other."""
    uri = f"zarr://{out}/volume.zarr"
    spec = voxome.VolumeSpec.of(volume.shape, "uint8", voxel_size_nm=size)
    voxome.create(uri, spec)[...] = volume
    options: dict[str, Any] = {"out": out} | ({"workers": workers} if workers else {"engine": "sequential"})
    blocks = options | {"block": block}
    search = voxome.tool("common.sphere_search", {"probability": uri, **parameters}, **blocks)
    rest = voxome.tool("common.sphere_completion", {"probability": uri, **search, **parameters}, **blocks)
    chosen = voxome.tool(
        "common.sphere_selection", {"found": search["found"], **rest, "min_score": min_score}, **options
    )
    form: dict[str, Any] = {
        name: parameters[name] for name in ("radii_um", "z_stretch", "threshold") if name in parameters
    }
    cells = voxome.tool("common.spheres", {"probability": uri, "spheres": chosen["result"], **form}, **blocks)
    return TableFile(cells["cells"].uri).read(), voxome.open(cells["labels"].uri, expect=voxome.Volume)[...]


def positions(cells: dict[str, NDArray[Any]]) -> Points:
    return np.stack([cells[f"{axis}_nm"] for axis in "zyx"], axis=-1) / UM


def test_a_sphere_is_found_where_it_is(tmp_path: Path) -> None:
    centre = np.array([[12.0, 14.0, 16.0]])
    cells, labels = detect(draw((26, 30, 34), centre, [6.0]), tmp_path, radii_um=[6.0], gap_um=1.0)
    assert np.abs(positions(cells) - centre).max() < 0.02
    assert cells["radius_nm"].tolist() == [6000]
    assert cells["touches_face"].tolist() == [False]
    assert labels[12, 14, 16] == cells["id"][0] == 1
    assert abs(np.argwhere(labels).mean(axis=0) - centre[0]).max() < 1e-9


@pytest.mark.slow
def test_cells_that_are_stretched_along_z_are_found_as_spheres_are(tmp_path: Path) -> None:
    centres = np.array([[10.0, 12.0, 14.0], [16.0, 12.0, 23.0], [2.0, 20.0, 33.0]])
    volume = draw((24, 26, 40), centres, [5.0, 6.0, 5.0])
    parameters: dict[str, Any] = {"radii_um": [5.0, 6.0], "gap_um": 1.0}
    round_, labels = detect(volume, tmp_path / "round", **parameters)
    for name, block in (("whole", None), ("blocks", (12, 13, 20))):
        size = (2.5 * UM, UM, UM)
        long, same = detect(volume, tmp_path / name, size=size, block=block, z_stretch=2.5, **parameters)
        assert (same == labels).all()
        assert long["z_nm"] == pytest.approx(2.5 * round_["z_nm"])
        for column in ("id", "y_nm", "x_nm", "radius_nm", "score", "touches_face"):
            assert long[column].tolist() == round_[column].tolist()


@pytest.mark.parametrize("apart", [1.0, 0.8, 0.6])
def test_touching_and_overlapping_spheres_are_two_cells(apart: float, tmp_path: Path) -> None:
    centres = np.array([[15.0, 15.0, 15.0], [15.0, 15.0, 15.0 + 16 * apart]])
    cells, _ = detect(draw((31, 31, 48), centres, [8.0, 8.0]), tmp_path, radii_um=[8.0], gap_um=0.0)
    assert len(cells["id"]) == 2
    assert np.abs(positions(cells) - centres).max() < 2


def test_a_sphere_cut_by_a_face_is_not_moved_and_is_marked(tmp_path: Path) -> None:
    centres = np.array([[2.0, 15.3, 15.0], [15.0, 15.0, 45.0]])
    cells, _ = detect(draw((31, 31, 60), centres, [6.0, 6.0]), tmp_path, radii_um=[6.0], gap_um=1.0)
    assert np.abs(positions(cells) - centres).max() < 0.5
    assert cells["touches_face"].tolist() == [True, False]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_spheres_in_anisotropic_voxels_are_kept_apart_and_measured_in_nm(axis: int, tmp_path: Path) -> None:
    size = np.array([5.0, 2.0, 2.0])
    centres_um = np.array([[40.0, 40.0, 40.0], [40.0, 40.0, 40.0]])
    centres_um[1, axis] += 2.5 * 12
    volume = draw((22, 55, 55), centres_um / size, [12.0, 12.0], tuple(size))
    cells, _ = detect(volume, tmp_path, size=size * UM, radii_um=[12.0], gap_um=1.0)
    assert np.abs(positions(cells) - centres_um).max() < 0.5


def test_cells_of_a_section_are_discs_however_thick_it_is(tmp_path: Path) -> None:
    centres = np.array([[0.0, 14.0, 14.0], [0.0, 14.0, 40.0]])
    cells, labels = detect(
        draw((1, 30, 56), centres, [6.0, 6.0]), tmp_path, size=(50 * UM, UM, UM), radii_um=[6.0], gap_um=1.0
    )
    assert np.abs(positions(cells) - centres).max() < 0.05
    assert cells["touches_face"].tolist() == [False, False]
    assert labels.max() == 2


def test_the_radius_is_that_of_the_best_ball(tmp_path: Path) -> None:
    centres, radii = np.array([[16.0, 16.0, x] for x in (16.0, 46.0, 80.0, 116.0)]), [4.0, 6.0, 9.0, 12.0]
    cells, _ = detect(draw((33, 33, 140), centres, radii), tmp_path, radii_um=[4, 6, 9, 12], gap_um=1.0, stop=0.6)
    assert (cells["radius_nm"] / UM).tolist() == radii


def test_spheres_below_the_least_score_take_their_voxels_and_are_not_returned(tmp_path: Path) -> None:
    volume = draw((25, 25, 60), np.array([[12.0, 12.0, 13.0], [12.0, 12.0, 42.0]]), [8.0, 8.0])
    volume[:, :, 30:] //= 2
    parameters: dict[str, Any] = {"radii_um": [4.0, 8.0], "gap_um": 1.0, "stop": 0.3}
    cells, _ = detect(volume, tmp_path / "all", **parameters)
    assert len(cells["id"]) == 2
    cells, _ = detect(volume, tmp_path / "some", min_score=0.8, **parameters)
    assert positions(cells).round().tolist() == [[12, 12, 13]]
    assert cells["id"].tolist() == [1]


def test_values_up_to_the_threshold_do_not_count(tmp_path: Path) -> None:
    assert len(detect(np.full((20, 20, 20), 51, np.uint8), tmp_path, radii_um=[5.0], stop=0.1)[0]["id"]) == 0


@pytest.mark.parametrize("percent", range(101))
def test_the_highest_value_is_exact_at_every_percent(percent: int) -> None:
    assert highest_value(percent / 100) == max(value for value in range(256) if 100 * value <= 255 * percent)


@pytest.mark.parametrize(
    ("size", "radii", "problem"),
    [
        (None, [5.0], "voxel size of .* is unknown"),
        ((UM,) * 3, [0.5], "less than a voxel"),
        ((10.0,) * 3, [6.0], "correct the voxel size"),
        ((UM,) * 3, [], "is empty"),
    ],
)
def test_radii_that_do_not_suit_the_voxels_are_refused(size: Any, radii: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=problem):
        detect(np.zeros((9, 9, 9), np.uint8), tmp_path, size=size, radii_um=radii)


def test_both_steps_need_the_same_radii(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/volume.zarr"
    spec = voxome.VolumeSpec.of((17, 17, 17), "uint8", voxel_size_nm=(UM,) * 3)
    voxome.create(uri, spec)[...] = draw((17, 17, 17), np.array([[8.0, 8.0, 8.0]]), [5.0])
    options: dict[str, Any] = {"out": tmp_path, "engine": "sequential"}
    search = voxome.tool("common.sphere_search", {"probability": uri, "radii_um": [5.0]}, **options)
    rest = voxome.tool("common.sphere_completion", {"probability": uri, **search, "radii_um": [5.0]}, **options)
    chosen = voxome.tool("common.sphere_selection", {"found": search["found"], **rest}, **options)
    with pytest.raises(RunFailed, match="give both steps the same radii_um"):
        voxome.tool("common.spheres", {"probability": uri, "spheres": chosen["result"], "radii_um": [4.0]}, **options)


def crowd(shape: tuple[int, int, int], seed: int) -> NDArray[np.uint8]:
    """Smooth noise: cells of all sizes that touch, so that the choice of one depends on others."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return np.rint(255 * np.clip(0.5 + noise / noise.std() / 2, 0, 1)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "block", "workers"),
    [("crowd", (40, 40, 40), 2), ("crowd", (30, 27, 30), 0), ("saturated", (20, 20, 20), 0)],
)
def test_cells_do_not_depend_on_blocks_and_workers(kind: str, block: Any, workers: int, tmp_path: Path) -> None:
    volume = crowd((80, 80, 80), 1) if kind == "crowd" else np.full((40, 40, 40), 255, np.uint8)
    parameters: dict[str, Any] = {"radii_um": [4.0, 6.0], "gap_um": 1.0, "stop": 0.6}
    expected, labels = detect(volume, tmp_path / "whole", **parameters)
    cells, others = detect(volume, tmp_path / "blocks", block=block, workers=workers, **parameters)
    assert len(expected["id"]) > 20
    for name, values in expected.items():
        np.testing.assert_array_equal(cells[name], values)
    np.testing.assert_array_equal(others, labels)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_positions_in_anisotropic_voxels_do_not_depend_on_blocks(order: tuple[int, int, int], tmp_path: Path) -> None:
    rows_of = ((5, 1, 1), (12, 41, 60), (6, 20, 20), (12, 41, 21))
    size, shape, first, block = (np.array(row)[list(order)] for row in rows_of)
    second = first + 17 * (shape == 60)
    volume = draw(tuple(shape), np.array([first, second]), [9.0, 9.0], tuple(size))
    rows = dict(zip("zyx", np.array([first, second]).T, strict=True)) | {
        "id": np.array([1, 2]), "radius_nm": np.full(2, 6 * UM), "total": np.full(2, 1000), "voxels": np.full(2, 10)
    }  # fmt: skip
    file, (z, y, x) = as_file(tmp_path / "spheres.parquet", rows, SPHERES.columns), (float(n) for n in size * UM)
    frame = frame_of(volume.shape, (z, y, x), (0, 0, 0))
    whole, blocks = (
        run_blocks(spheres, {"probability": volume}, Box.of_shape(cut).shape, frame, spheres=file)["cells"]
        for cut in (shape, block)
    )
    np.testing.assert_array_equal(positions(blocks), positions(whole))


@pytest.mark.slow
def test_positions_between_voxels_have_no_bias() -> None:
    rng, scale = np.random.default_rng(7), np.ones(3)
    errors = []
    for _ in range(1000):
        centre = np.array([13.0, 13.0, 13.0]) + rng.uniform(-0.5, 0.5, 3)
        volume = draw((27, 27, 27), centre[None], [7.0])
        volume[volume <= 51] = 0
        middle, nobody = np.rint(centre).astype(np.int64), np.empty((0, 4))
        place = refine(volume, middle, 7000.0, window_nm(7000.0, (UM,) * 3), scale * UM, nobody, np.ones(3, bool))
        errors.append((middle + place - centre, (middle + place) % 1))
    wrong, parts = np.swapaxes(np.array(errors), 0, 1)
    assert np.abs(wrong.mean(axis=0)).max() < 0.02
    assert np.abs(wrong).max() < 0.2
    assert min(stats.kstest(part, "uniform").pvalue for part in parts.T) > 0.01
