"""Blobs: polarity, radii, faces, anisotropic voxels, dtypes and blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.errors import PlanError, RunFailed
from voxome.resources.table import TableFile
from voxome.workflow.invariance import check_invariance

UM = 1000.0


def draw(shape: tuple[int, ...], centres: Any, radii: list[float], scale: Any = (1.0,) * 3) -> NDArray[np.float64]:
    """Balls of 1, with blurred edges."""
    volume, grid = np.zeros(shape), np.stack(np.indices(shape), axis=-1)
    for centre, radius in zip(np.asarray(centres, float), radii, strict=True):
        volume = np.maximum(volume, np.clip(radius + 0.5 - np.linalg.norm((grid - centre) * scale, axis=-1), 0, 1))
    return volume


def detect(volume: NDArray[Any], out: Path, *, size: Any = (UM,) * 3, **parameters: Any) -> dict[str, NDArray[Any]]:
    uri = f"zarr://{out}/volume.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(volume.shape, volume.dtype.name, voxel_size_nm=size))[...] = volume
    options: dict[str, Any] = {"out": out, "engine": "sequential"}
    parameters = {"polarity": "bright", "min_contrast": 20.0, **parameters}
    peaks = voxome.tool("common.blob_peaks", {"image": uri, **parameters}, **options)
    return TableFile(voxome.tool("common.blobs", {"peaks": peaks["result"]}, **options)["result"].uri).read()


def positions(cells: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.stack([cells[f"{axis}_nm"] for axis in "zyx"], axis=-1) / UM


@pytest.mark.parametrize("polarity", ["dark", "bright"])
def test_a_ball_is_one_blob_of_its_polarity_and_none_of_the_other(polarity: str, tmp_path: Path) -> None:
    ball = draw((41, 41, 41), [[20, 20, 20]], [8])
    image = (157 + (64 if polarity == "bright" else -64) * ball).astype(np.uint8)
    cells = detect(image, tmp_path / "same", polarity=polarity)
    assert np.abs(positions(cells) - 20).max() < 0.1
    assert len(cells["id"]) == 1
    other = "dark" if polarity == "bright" else "bright"
    assert len(detect(image, tmp_path / "other", polarity=other)["id"]) == 0


def test_a_constant_volume_has_no_blobs(tmp_path: Path) -> None:
    assert len(detect(np.full((20, 20, 20), 100, np.uint8), tmp_path, min_contrast=0.01)["id"]) == 0


def test_radii_are_measured_within_5_percent(tmp_path: Path) -> None:
    centres, radii = [[20, 20, x] for x in (14.0, 34.0, 62.0, 102.0)], [3.0, 5.0, 8.0, 12.0]
    image = (50 + 100 * draw((41, 41, 124), centres, radii)).astype(np.float32)
    cells = detect(image, tmp_path, min_radius_um=2, max_radius_um=16, scales=10)
    order = np.argsort(cells["x_nm"])
    assert cells["radius_nm"][order] / UM == pytest.approx(radii, rel=0.05)
    assert not cells["at_range_end"].any()


def test_blobs_of_a_section_are_discs(tmp_path: Path) -> None:
    image = (50 + 100 * draw((1, 50, 90), [[0, 24, 20], [0, 24, 62]], [6, 9])).astype(np.uint8)
    cells = detect(image, tmp_path, size=(50 * UM, UM, UM), max_radius_um=16, scales=10)
    assert cells["radius_nm"] / UM == pytest.approx([6, 9], rel=0.05)
    assert cells["score"] == pytest.approx([100, 100], abs=4)
    assert not cells["touches_face"].any()


def test_a_radius_at_the_end_of_the_range_is_marked(tmp_path: Path) -> None:
    image = (100 * draw((31, 31, 31), [[15, 15, 15]], [3])).astype(np.float32)
    assert detect(image, tmp_path, min_radius_um=5, max_radius_um=8)["at_range_end"].tolist() == [True]


def test_a_blob_cut_by_a_face_is_marked(tmp_path: Path) -> None:
    image = (100 * draw((31, 31, 31), [[2, 15, 15]], [6])).astype(np.float32)
    assert detect(image, tmp_path)["touches_face"].tolist() == [True]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_balls_in_anisotropic_voxels_are_kept_along_any_axis(axis: int, tmp_path: Path) -> None:
    size = np.array([5.0, 2.0, 2.0])
    centres = np.array([[50.0, 50.0, 50.0], [50.0, 50.0, 50.0]])
    centres[1, axis] += 2.5 * 12
    image = (100 * draw((26, 65, 65), centres / size, [12.0, 12.0], size)).astype(np.float32)
    cells = detect(image, tmp_path, size=size * UM, min_radius_um=9, max_radius_um=16)
    assert np.abs(positions(cells) - centres).max() < 1.5


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_cells_do_not_depend_on_the_dtype(dtype: str, tmp_path: Path) -> None:
    image = (50 + 100 * draw((31, 31, 61), [[15, 15, 15], [15, 16, 44]], [6, 5])).astype(np.uint8)
    expected = detect(image, tmp_path / "uint8")
    cells = detect(image.astype(dtype), tmp_path / dtype)
    assert len(expected["id"]) == 2
    for name, values in expected.items():
        np.testing.assert_array_equal(cells[name], values)


@pytest.mark.parametrize(
    ("size", "problem"), [(None, "voxel size of .* is unknown"), ((5 * UM, UM, UM), "less than 0.7 voxels wide")]
)
def test_radii_below_what_voxels_show_are_refused(size: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=problem):
        detect(np.zeros((9, 9, 9), np.uint8), tmp_path, size=size)


def test_cells_are_the_same_whether_the_header_or_the_run_has_the_voxel_size(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = (50 + 100 * draw((21, 25, 31), [[10, 12, 15]], [6])).astype(np.uint8)
    size, tables = (0.002, 0.0013, 0.00065), []
    for name, known in (("header", True), ("run", False)):
        file = nibabel.Nifti1Image(image.T, None)
        if known:
            file.header.set_zooms(size[::-1])
        file.header.set_xyzt_units("mm" if known else "unknown")
        file.to_filename(tmp_path / f"{name}.nii")
        given = {"image": tmp_path / f"{name}.nii", "polarity": "bright", "min_contrast": 20.0, "max_radius_um": 20.0}
        options = {} if known else {"voxel_size_nm": tuple(1e6 * n for n in size)}
        found = voxome.tool("common.blob_peaks", given, out=tmp_path / name, engine="sequential", **options)
        tables.append(TableFile(found["result"].uri).read())
    assert len(tables[0]["z"]) > 0
    for name, values in tables[0].items():
        np.testing.assert_array_equal(values, tables[1][name])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    image = (100 * draw((21, 21, 21), [[10, 10, 10]], [5])).astype(np.float32)
    image[3, 2, 1] = value
    with pytest.raises(RunFailed, match=r"1 voxels that are not finite.*fill"):
        detect(image, tmp_path)


@pytest.mark.slow
def test_peaks_do_not_depend_on_blocks() -> None:
    image = np.random.default_rng(2).integers(0, 255, (30, 44, 44)).astype(np.uint8)
    inputs = {"image": image, "polarity": "dark", "min_contrast": 2.0, "max_radius_um": 4.0, "scales": 3}
    report = check_invariance("common.blob_peaks", inputs, voxel_size_nm=(UM,) * 3)
    assert report.differences == report.not_compared == ()
