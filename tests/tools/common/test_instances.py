"""Instances: touching cells, the size window, faces, and blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.blockwise import frame_of, run_blocks

import voxome
from voxome.errors import PlanError
from voxome.resources.table import TableFile
from voxome.tools.common.instance_basins import instance_basins

UM = 1000.0


def draw(shape: tuple[int, ...], centres: Any, radii: list[float]) -> NDArray[np.uint8]:
    """Balls of certainty."""
    volume, grid = np.zeros(shape), np.stack(np.indices(shape), axis=-1)
    for centre, radius in zip(np.asarray(centres, float), radii, strict=True):
        volume = np.maximum(volume, np.clip(radius + 0.5 - np.linalg.norm(grid - centre, axis=-1), 0, 1))
    values: NDArray[np.uint8] = np.rint(255 * volume).astype(np.uint8)
    return values


def detect(
    volume: NDArray[Any], out: Path, *, size: Any = (UM,) * 3, block: Any = None, window: Any = None, **parameters: Any
) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Cells and labels of the six tools, one after the other."""
    uri = f"zarr://{out}/volume.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(volume.shape, "uint8", voxel_size_nm=size))[...] = volume
    options: dict[str, Any] = {"out": out, "engine": "sequential", "block": block}
    basins = voxome.tool("common.instance_basins", {"probability": uri, **parameters}, **options)["basins"]
    joined = voxome.tool("em.fragments_join", {"basins": basins}, **options)
    applied = {"basins": basins, "lookup": joined["lookup"]}
    labels = voxome.tool("em.fragments_apply", applied, **options)["fragments"]
    sums = voxome.tool("common.instance_sums", {"labels": labels, "probability": uri}, **options)["result"]
    chosen = voxome.tool("common.instances", {"labels": labels, "sums": sums, **(window or {})}, **options)
    relabelled = voxome.tool("common.relabel", {"labels": labels, "lookup": chosen["lookup"]}, **options)["result"]
    return TableFile(chosen["cells"].uri).read(), voxome.open(relabelled.uri, expect=voxome.Volume)[...]


def positions(cells: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.stack([cells[f"{axis}_nm"] for axis in "zyx"], axis=-1) / UM


@pytest.mark.parametrize("apart", [1.0, 0.8])
def test_touching_cells_are_parted(apart: float, tmp_path: Path) -> None:
    centres = [[15, 15, 15], [15, 15, 15 + 16 * apart]]
    cells, labels = detect(draw((31, 31, 48), centres, [8, 8]), tmp_path, max_radius_um=12.0)
    assert np.abs(positions(cells) - centres).max() < 1.5
    assert cells["id"].tolist() == [1, 2]
    assert [labels[15, 15, 15], labels[15, 15, 31 if apart == 1 else 29]] == [1, 2]
    assert cells["score"].min() > 0.9


def test_a_cell_at_a_face_is_marked(tmp_path: Path) -> None:
    cells, _ = detect(draw((24, 24, 60), [[2, 12, 12], [12, 12, 40]], [6, 6]), tmp_path)
    assert cells["touches_face"].tolist() == [True, False]


def test_the_radius_is_that_of_a_sphere_of_the_same_volume(tmp_path: Path) -> None:
    cells, _ = detect(draw((24, 24, 24), [[12, 12, 12]], [7]), tmp_path)
    assert cells["radius_nm"][0] / UM == pytest.approx(7, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("cut", [10, 12, 14])
def test_the_size_window_is_that_of_whole_cells_and_includes_its_ends(cut: int, tmp_path: Path) -> None:
    volume = np.zeros((24, 24, 24), np.uint8)
    volume[10:14, 11:13, 10:15] = 255
    for name, least, most, count in (("in", 40, 40, 1), ("few", 41, 90, 0), ("many", 1, 39, 0)):
        window = {"min_volume_um3": least * 0.65**3, "max_volume_um3": most * 0.65**3}
        size, block = (650.0,) * 3, (cut, 24, cut)
        cells, labels = detect(volume, tmp_path / name, size=size, block=block, window=window)
        assert (len(cells["id"]), int((labels > 0).sum())) == (count, 40 * count)


@pytest.mark.slow
def test_cells_do_not_depend_on_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    volume = draw((50, 50, 50), rng.uniform(0, 50, (25, 3)), rng.uniform(4, 8, 25).tolist())
    expected, labels = detect(volume, tmp_path / "whole")
    assert len(expected["id"]) > 12
    for number, block in enumerate([(25, 25, 25), (17, 20, 50)]):
        cells, others = detect(volume, tmp_path / str(number), block=block)
        for name, values in expected.items():
            np.testing.assert_array_equal(cells[name], values)
        np.testing.assert_array_equal(others, labels)


@pytest.mark.parametrize(
    ("size", "problem"), [(None, "voxel size of .* is unknown"), ((10.0,) * 3, "more than 16 voxels")]
)
def test_lengths_that_do_not_suit_the_voxels_are_refused(size: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=problem):
        detect(np.zeros((9, 9, 9), np.uint8), tmp_path, size=size)


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_voxel_at_the_threshold_belongs_to_a_cell(percent: int) -> None:
    least = -(-255 * percent // 100)
    probability = np.arange(256, dtype=np.uint8)[None, None]
    frame = frame_of(probability.shape)
    found = run_blocks(instance_basins, {"probability": probability}, (1, 1, 256), frame, threshold=percent / 100)
    assert np.flatnonzero(found["basins"][0, 0])[0] == least
