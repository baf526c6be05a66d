"""Vessels from probability to graph: the same for any blocks and workers, and of the right length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.errors import PlanError
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.workflow.verbs import plan, run

VESSELS = Path(__file__).parents[2] / "pipelines" / "common" / "vessels.cwl"
SHAPE = (60, 72, 84)
SIZE_NM = (1300, 650, 650)
TABLES = ("vessels", "vessel_nodes", "vessel_points", "vessel_counts", "mask_counts")
SEGMENTS = [((30, 2, -5), (30, 20, 20)), ((30, 20, 20), (46, 30, 36)), ((46, 30, 36), (46, 8, 70)),
            ((46, 30, 36), (90, 40, 40)), ((30, 20, 20), (14, 36, 26)), ((14, 36, 26), (14, 36, 70))]  # fmt: skip
"""Ends of vessels of a tree, (z, y, x) in micrometres."""


def vessels(radius_um: float = 3.0) -> np.ndarray:
    """Probability of vessel: a tree with noise, specks and a void."""
    points = np.stack(np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]], axis=-1) * (np.array(SIZE_NM) / 1000)
    distance = np.full(SHAPE, np.inf)
    for first, last in np.array(SEGMENTS, float):
        axis = last - first
        along = np.clip((points - first) @ axis / (axis @ axis), 0, 1)
        distance = np.minimum(distance, np.linalg.norm(points - first - along[..., None] * axis, axis=-1))
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(0, 40, SHAPE), 1)
    probability = np.clip(128 + (radius_um - distance) * 90 + noise, 0, 255)
    probability[5, 60, 5:8] = probability[50, 5, 70] = 255
    z, y, x = (round(at * 1000 / size) for at, size in zip((14, 36, 40), SIZE_NM, strict=True))
    probability[z, y, x] = 0
    return probability.astype(np.uint8)


def length_inside(first: np.ndarray, last: np.ndarray) -> float:
    """The length of a vessel that is in the volume, in micrometres."""
    voxels = (first + np.linspace(0, 1, 2001)[:, None] * (last - first)) * 1000 / SIZE_NM
    inside = ((voxels >= -0.5) & (voxels <= np.array(SHAPE) - 0.5)).all(axis=1)
    return float(np.linalg.norm(last - first) * inside.mean())


@pytest.fixture(scope="module")
def probability(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vessels") / "probability.zarr"
    volume = voxome.create(f"zarr://{path}", VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=SIZE_NM))
    volume[...] = vessels()
    return path


def results(store: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: {column: values.tolist() for column, values in TableFile(store / f"{name}.parquet").read().items()}
        for name in TABLES
    }
    found["graph"] = (store / "vessel_graph.graphml").read_bytes()
    found["trees"] = (store / "vessel_trees.swc").read_bytes()
    found["mask"] = voxome.open(str(store / "mask.zarr"), expect=Volume)[...].tobytes()
    return found


@pytest.mark.slow
def test_vessels_do_not_depend_on_blocks_and_workers(probability: Path, tmp_path: Path) -> None:
    values = {"probability": probability, "closing_um": 1.5, "min_volume_um3": 50}
    blocks = (SHAPE, (30, 36, 42), (20, 24, 28))
    found = []
    for number, (block, workers) in enumerate(zip(blocks, (1, 1, 2), strict=True)):
        store = tmp_path / f"store{number}"
        engine = "sequential" if workers == 1 else None
        run(VESSELS, values, out=tmp_path / str(number), store=store, block=block, workers=workers, engine=engine)
        found.append(results(store))
    first, *others = found
    assert first["vessel_counts"]["branches"] == [5]
    for other in others:
        assert other == first


@pytest.mark.slow
def test_vessels_have_their_length_and_junctions(probability: Path, tmp_path: Path) -> None:
    values = {"probability": probability, "min_volume_um3": 50}
    run(VESSELS, values, out=tmp_path / "out", store=tmp_path / "store", engine="sequential")
    found = results(tmp_path / "store")
    cleaned = {name: count[0] for name, count in found["mask_counts"].items()}
    assert (cleaned["small_objects"], cleaned["small_voxels"]) == (2, 4)
    assert cleaned["voids"] >= 1
    nodes = {name: np.array(values) for name, values in found["vessel_nodes"].items()}
    assert (nodes["degree"] == 3).sum() == 2
    for place in ((30, 20, 20), (46, 30, 36)):
        away = np.sqrt(sum((nodes[f"{axis}_nm"] / 1000 - at) ** 2 for axis, at in zip("zyx", place, strict=True)))
        assert away[nodes["degree"] == 3].min() < 4
    length = sum(length_inside(*np.array(segment, float)) for segment in SEGMENTS)
    assert sum(found["vessels"]["length_nm"]) / 1000 == pytest.approx(length, rel=0.05)
    np.testing.assert_allclose(np.array(found["vessels"]["radius_nm"]) / 1000, 3, atol=0.4)


def test_an_unknown_voxel_size_is_named_before_the_run(tmp_path: Path) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/plain.zarr", VolumeSpec.of((8, 8, 8), "uint8"))
    volume[...] = 0
    with pytest.raises(PlanError, match=r"voxel size of probability \(.*plain\.zarr\) is unknown"):
        plan(VESSELS, {"probability": tmp_path / "plain.zarr"})
