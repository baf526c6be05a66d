"""The pipelines of cells and vessels: right on phantoms, the same for any blocks, workers and kills; clear words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_once import MakeOnce
from workflow.pipeline import assert_same_tables, has_jobs

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.data.vascular.spec import TissueSpec
from voxome.data.vascular.write import write_phantom
from voxome.errors import PlanError
from voxome.resources.table import TableFile
from voxome.resources.volume import Volume
from voxome.workflow.verbs import plan, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
XRM, LM = ROOT / "pipelines" / "xrm" / "cells_vessels.cwl", ROOT / "pipelines" / "lm" / "cells.cwl"
SHAPE = (72, 88, 96)
FAST: dict[str, Any] = {"radii_um": (6.5,), "cell_stop": 0.45, "min_vessel_volume_um3": 400, "grid_um": 20}
"""Parameters with which a search takes little time."""
LM_SHAPE, LIT = (14, 64, 64), 48
"""Shape of the phantom of light microscopy, and the position along x up to which it has light."""
LM_FAST: dict[str, Any] = {
    "radii_um": (6.5,), "grid_um": 40, "offset": 100, "shading_um": 4, "min_light": 50, "detect_no_data": False
}  # fmt: skip
COMPARED = (".parquet", ".zarr", ".graphml", ".swc")
UM = 1000.0


@pytest.fixture(scope="module")
def phantom(make_once: MakeOnce) -> Path:
    return make_once("xrm", lambda folder: write_phantom(folder, TissueSpec(SHAPE, 3, "xrm")))


@pytest.fixture(scope="module")
def reference(phantom: Path, make_once: MakeOnce) -> Path:
    """A run in one block."""

    def make(out: Path) -> None:
        run(XRM, {"raw": phantom / "raw.zarr", **FAST}, out=out, engine="sequential", block=SHAPE, truth=phantom)

    return make_once("xrm_reference", make)


@pytest.fixture(scope="module")
def lm_phantom(make_once: MakeOnce) -> Path:
    return make_once("lm", lambda folder: write_phantom(folder, TissueSpec(LM_SHAPE, 3, "lm")))


@pytest.fixture(scope="module")
def dim(lm_phantom: Path, make_once: MakeOnce) -> Mapping[str, Path]:
    """Image and background channel of the phantom, nearly without light beyond `LIT`."""

    def darken(folder: Path) -> None:
        light = np.where(np.arange(LM_SHAPE[2]) < LIT, 1.0, 0.05)
        for name in ("raw", "background"):
            volume = voxome.open(f"zarr://{lm_phantom}/{name}.zarr", expect=Volume)
            spec = VolumeSpec.of(LM_SHAPE, "uint16", voxel_size_nm=volume.spec.voxel_size_nm)
            voxels = np.rint(100 + (np.asarray(volume[...]) - 100.0) * light)
            voxome.create(f"zarr://{folder}/{name}.zarr", spec)[...] = voxels.astype(np.uint16)

    folder = make_once("lm_dim", darken)
    return {name: folder / f"{name}.zarr" for name in ("raw", "background")}


@pytest.fixture(scope="module")
def lm_reference(dim: Mapping[str, Path], make_once: MakeOnce) -> Path:
    """A run in one block."""

    def make(out: Path) -> None:
        run(LM, {**dim, **LM_FAST}, out=out, engine="sequential", block=LM_SHAPE)

    return make_once("lm_reference", make)


@dataclass(frozen=True)
class Case:
    """A pipeline with its inputs, and a run of it in one block."""

    workflow: Path
    inputs: Mapping[str, Any]
    shape: tuple[int, ...]
    reference: Path


@pytest.fixture(scope="module", params=["xrm", "lm"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "xrm":
        raw = request.getfixturevalue("phantom") / "raw.zarr"
        return Case(XRM, {"raw": raw, **FAST}, SHAPE, request.getfixturevalue("reference"))
    inputs = {**request.getfixturevalue("dim"), **LM_FAST}
    return Case(LM, inputs, LM_SHAPE, request.getfixturevalue("lm_reference"))


def pixels(uri: Path) -> np.ndarray[Any, Any]:
    return np.asarray(voxome.open(f"zarr://{uri}", expect=Volume)[...])


def places(out: Path) -> np.ndarray[Any, Any]:
    rows = TableFile(out / "cells.parquet").read()
    return np.stack([rows[name] for name in ("z_nm", "y_nm", "x_nm")], axis=1)


def assert_same_run(one: Path, other: Path) -> None:
    results = [sorted(path.name for path in out.iterdir() if path.suffix in COMPARED) for out in (one, other)]
    assert results[0] == results[1]
    for name in results[0]:
        if name.endswith(".parquet"):
            assert_same_tables(one / name, other / name)
        elif name.endswith(".zarr"):
            np.testing.assert_array_equal(pixels(one / name), pixels(other / name))
        else:
            assert (one / name).read_bytes() == (other / name).read_bytes()


def copy_of(phantom: Path, folder: Path, change: Any, pad: int = 0) -> Path:
    """Write a changed image of the phantom, with a border whose voxels the phantom does not have."""
    raw = voxome.open(f"zarr://{phantom}/raw.zarr", expect=Volume)
    voxels = np.pad(np.asarray(raw[...]), pad)
    change(voxels)
    size = raw.spec.voxel_size_nm
    assert size is not None
    offset = tuple(-pad * one for one in size)
    spec = VolumeSpec.of(voxels.shape, "uint8", voxel_size_nm=size, offset_nm=offset)
    voxome.create(f"zarr://{folder}/raw.zarr", spec)[...] = voxels
    return folder / "raw.zarr"


def test_cells_and_vessels_of_a_phantom_are_found(reference: Path) -> None:
    record = read_record(reference)
    scores = record["scores"]
    assert scores["cells"]["f1"] >= 0.9
    assert scores["vessel_mask"]["precision"] > 0.9
    assert {"cells", "cells per mm³", "length of vessels, mm"} <= set(record["summary"])
    page = (reference / "report.html").read_text(encoding="utf-8")
    sizes = "Sizes of cells, of the radii searched"
    for heading in ("Slices", "Cells and vessels in space", "Density of cells", sizes, "Scores"):
        assert f"<h2>{heading}" in page


@pytest.mark.parametrize(("parts", "workers"), [((2, 2, 2), 1), ((3, 2, 3), 2)])
def test_blocks_and_workers_do_not_show(case: Case, tmp_path: Path, parts: tuple[int, int, int], workers: int) -> None:
    engine = "sequential" if workers == 1 else None
    block = divide(case.shape, parts)
    run(case.workflow, case.inputs, out=tmp_path, engine=engine, workers=workers, block=block)
    assert_same_run(case.reference, tmp_path)


def test_a_run_that_was_killed_is_resumed(case: Case, tmp_path: Path) -> None:
    settings = [f"--set={name}={_text(value)}" for name, value in case.inputs.items()]
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(case.workflow), *settings, "--out", str(tmp_path)]
    block = divide(case.shape, (2, 1, 2))
    options = ["--block", _text(block), "--workers", "2"]
    process = subprocess.Popen([*command, *options], start_new_session=True)
    deadline = time.monotonic() + 300
    while not has_jobs(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run.json").exists()
    record = run(case.workflow, case.inputs, out=tmp_path, engine="sequential", block=block)
    assert sum(step["blocks"]["reused"] for step in record["steps"]) > 0
    assert_same_run(case.reference, tmp_path)


def test_a_border_without_data_moves_no_cell(phantom: Path, reference: Path, tmp_path: Path) -> None:
    pad = 7  # no whole tile, of 15 voxels
    raw = copy_of(phantom, tmp_path, lambda voxels: None, pad)
    mask = np.pad(np.ones(SHAPE, np.uint8), pad)
    inputs = {"raw": raw, "mask": mask, "detect_no_data": False, **FAST}
    record = run(XRM, inputs, out=tmp_path / "out", engine="sequential", block=tuple(n + 2 * pad for n in SHAPE))
    assert "no data" in record["summary"]
    found, expected = places(tmp_path / "out"), places(reference)
    ends = (np.array(SHAPE) - 0.5) * 650
    assert ((found > -0.5 * 650) & (found < ends)).all()
    inner = [at[((at > 15 * UM) & (at < ends - 15 * UM)).all(axis=1)] for at in (found, expected)]
    assert len(inner[1]) >= 3
    np.testing.assert_allclose(inner[0], inner[1], atol=1e-3)
    tissue = TableFile(tmp_path / "out" / "region_densities.parquet").read()["tissue_mm3"].sum()
    assert tissue == pytest.approx(np.prod(SHAPE) * 0.65**3 / 1e9)


def test_missing_sections_are_named_and_have_no_cells(phantom: Path, reference: Path, tmp_path: Path) -> None:
    def lose(voxels: np.ndarray[Any, Any]) -> None:
        voxels[20] = 0
        voxels[50:] = 0

    raw = copy_of(phantom, tmp_path, lose)
    record = run(XRM, {"raw": raw, **FAST}, out=tmp_path / "out", engine="sequential", block=(36, 88, 96))
    summary: Mapping[str, object] = record["summary"]
    assert (summary["missing sections"], summary["bridged sections"]) == ("50-71", "20")
    at, expected = places(tmp_path / "out"), places(reference)
    assert (at[:, 0] < 50 * 650).all()
    near = [np.linalg.norm(at - one, axis=1).min() for one in expected if one[0] < 35 * 650]
    assert np.mean(np.array(near) < 2 * UM) > 0.9


def test_a_volume_without_tissue_has_no_cells(phantom: Path, tmp_path: Path) -> None:
    def clear(voxels: np.ndarray[Any, Any]) -> None:
        voxels[:] = 157

    raw = copy_of(phantom, tmp_path, clear)
    record = run(XRM, {"raw": raw, **FAST}, out=tmp_path / "out", engine="sequential", block=(36, 88, 96))
    assert record["summary"]["cells"] == 0
    assert any("single grey value, 157" in warning for warning in record["warnings"])
    assert str(record["summary"]["grey value without data"]).startswith("157")
    assert np.isnan(pixels(tmp_path / "out" / "density.zarr")).all()
    assert (tmp_path / "out" / "report.html").exists()


def test_sections_may_differ_in_brightness(phantom: Path, reference: Path, tmp_path: Path) -> None:
    z = np.arange(SHAPE[0])
    bands = (25 * np.sin(z / 8) + 15 * np.sin(z / 3.5))[:, None, None]

    def brighten(voxels: np.ndarray[Any, Any]) -> None:
        voxels[...] = np.rint(0.8 * voxels + 10 + bands).clip(0, 255)

    raw = copy_of(phantom, tmp_path, brighten)
    inputs = {"raw": raw, "tile_z_um": 0.65, "background_z_um": 0.65, **FAST}
    after = run(XRM, inputs, out=tmp_path / "out", engine="sequential", block=(40, 88, 96), truth=phantom)["scores"]
    before = read_record(reference)["scores"]
    assert after["cells"]["f1"] >= before["cells"]["f1"] - 0.03
    assert after["vessel_mask"]["dice"] >= before["vessel_mask"]["dice"] - 0.02


def test_a_saturated_image_is_named(phantom: Path, tmp_path: Path) -> None:
    raw = copy_of(phantom, tmp_path, lambda voxels: np.minimum(voxels, 150, out=voxels))
    assert any("highest grey value, 150" in warning for warning in plan(XRM, {"raw": raw}).warnings)


def test_a_wrong_voxel_size_is_named(phantom: Path, tmp_path: Path) -> None:
    plain = voxome.create(f"zarr://{tmp_path}/plain.zarr", VolumeSpec.of((8, 8, 8), "uint8"))
    plain[...] = 0
    with pytest.raises(PlanError, match="voxel size"):
        plan(XRM, {"raw": tmp_path / "plain.zarr"})
    for size, words in (((0.65,) * 3, "more than 100 voxels"), ((650e3,) * 3, "less than a voxel")):
        with pytest.raises(PlanError, match=words):
            plan(XRM, {"raw": phantom / "raw.zarr"}, voxel_size_nm=size)


def test_probabilities_take_the_place_of_contrast(phantom: Path, tmp_path: Path) -> None:
    vessels = pixels(phantom / "vessel_mask.zarr")
    cells = np.where(pixels(phantom / "labels.zarr") > 0, 255, 0).astype(np.uint8)
    inputs = {"raw": phantom / "raw.zarr", "cell_probability": cells, "vessel_probability": vessels, **FAST}
    record = run(XRM, inputs, out=tmp_path, engine="sequential", block=SHAPE, truth=phantom)
    assert record["scores"]["vessel_mask"]["dice"] > 0.95
    assert record["scores"]["cells"]["f1"] > 0.95


@pytest.mark.parametrize("with_background", [True, False])
def test_cells_of_a_light_microscopy_phantom_are_found(lm_phantom: Path, tmp_path: Path, with_background: bool) -> None:
    inputs: dict[str, Any] = {"raw": lm_phantom / "raw.zarr", "offset": 100, "radii_um": (6.5,), "grid_um": 40}
    if with_background:
        inputs["background"] = lm_phantom / "background.zarr"
    record = run(LM, inputs, out=tmp_path, engine="sequential", block=LM_SHAPE, truth=lm_phantom)
    assert record["scores"]["cells"]["f1"] >= 0.85
    assert "Sizes of cells" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_of_what_has_no_light_neither_cells_nor_volume_count(
    dim: Mapping[str, Path], lm_reference: Path, tmp_path: Path
) -> None:
    bright = {**dim, **LM_FAST, "min_light": 0}
    run(LM, bright, out=tmp_path, engine="sequential", block=LM_SHAPE)
    everything, lit = (TableFile(out / "region_densities.parquet").read() for out in (tmp_path, lm_reference))
    voxel_mm3 = 5 * 2 * 2 / 1e9
    assert everything["tissue_mm3"].sum() == pytest.approx(np.prod(LM_SHAPE) * voxel_mm3)
    tissue = pixels(lm_reference / "tissue.zarr")
    assert lit["tissue_mm3"].sum() == pytest.approx(np.count_nonzero(tissue) * voxel_mm3)
    assert tissue[:, :, : LIT - 2].all()
    assert not tissue[:, :, LIT + 4 :].any()
    at = np.rint(places(lm_reference) / (5000, 2000, 2000)).astype(int)
    inside = tissue[tuple(at.T)] != 0
    assert (lit["cells"].sum(), lit["cells_without_tissue"].sum()) == (inside.sum(), (~inside).sum())


def test_a_section_is_searched_for_discs(lm_phantom: Path, tmp_path: Path) -> None:
    plane = pixels(lm_phantom / "raw.zarr")[7:8]
    spec = VolumeSpec.of(plane.shape, "uint16", voxel_size_nm=(5000, 2000, 2000))
    voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)[...] = plane
    inputs = {"raw": tmp_path / "raw.zarr", "offset": 100, "radii_um": (4.5, 6.5), "grid_um": 40}
    run(LM, inputs, out=tmp_path / "out", engine="sequential", block=plane.shape)
    at = np.rint(places(tmp_path / "out") / (5000, 2000, 2000)).astype(int)
    labels = pixels(lm_phantom / "labels.zarr")[7]
    inside = labels[tuple(at[:, 1:].T)]
    assert (inside > 0).mean() > 0.9
    large = np.flatnonzero(np.bincount(labels.ravel())[1:] * 4 > np.pi * 5**2) + 1
    assert len(np.intersect1d(inside, large)) > 0.7 * len(large)


def divide(shape: tuple[int, ...], parts: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the shape of blocks of which there are `parts` along each axis."""
    return tuple(-(-n // of) for n, of in zip(shape, parts, strict=True))


def read_record(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return found


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
