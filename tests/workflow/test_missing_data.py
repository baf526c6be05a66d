"""Runs on images with padding, missing sections and masks, against the same tissue without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workflow.pipeline import CONNECTOME, Phantom, assert_same_results

import voxome
from voxome.contracts.run_record import RunRecord
from voxome.errors import RunFailed
from voxome.metrics.segmentation import contingency, score_segmentation
from voxome.resources.table import TableFile
from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow

PADDING = 56
"""Voxels of padding on the high side of x, more than half as many as of tissue."""
NM = 10.0


def save(path: Path, values: np.ndarray, **attributes: object) -> str:
    spec = voxome.VolumeSpec.of(values.shape, "uint8", voxel_size_nm=(NM,) * 3, attributes=attributes)
    voxome.create(f"zarr://{path}", spec)[...] = values
    return f"zarr://{path}"


def padded(phantom: Phantom, folder: Path, grey: int, **attributes: object) -> dict[str, str]:
    """The inputs of a run on the phantom with padding, of which the membrane map knows nothing."""
    inputs = {}
    for name, value in (("raw", grey), ("membranes", 255)):
        tissue = voxome.open(phantom.inputs[name])[...]
        values = np.pad(tissue, ((0, 0), (0, 0), (0, PADDING)), constant_values=value)
        inputs[name] = save(folder / f"{name}.zarr", values, **attributes)
    return inputs


def run_here(inputs: Mapping[str, Any], **options: Any) -> RunRecord:
    """Run the pipeline in this process, which spares the start of workers."""
    return run(CONNECTOME, inputs, engine="sequential", **options)


def synapses_of(run_folder: Path) -> np.ndarray:
    """Positions in nm, sorted."""
    rows = TableFile(run_folder / "synapses.parquet").read()
    points = np.stack([rows[name] for name in ("z_nm", "y_nm", "x_nm")], axis=1)
    return points[np.lexsort(points.T[::-1])]


def neurons_of(run_folder: Path) -> np.ndarray:
    return np.asarray(voxome.open(str(run_folder / "neurons.zarr"))[...])


@pytest.fixture(scope="module")
def run_with_padding(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("padding")
    run_here(padded(phantom, folder, 130), out=folder / "out", block=(48, 48, 48))
    return folder / "out"


def test_padding_changes_nothing_in_the_tissue(reference: Path, run_with_padding: Path) -> None:
    neurons, expected = neurons_of(run_with_padding), neurons_of(reference)
    edge = expected.shape[2]
    assert (neurons[:, :, edge:] == 0).all()
    assert score_segmentation(contingency(expected, neurons[:, :, :edge])).adapted_rand_error < 0.01
    assert np.abs(synapses_of(run_with_padding) - synapses_of(reference)).max() <= 2 * NM
    summary = json.loads((run_with_padding / "run.json").read_text())["summary"]
    share = float(summary["no data"].removesuffix(" % of the voxels"))
    assert share == pytest.approx(100 * PADDING / (edge + PADDING), abs=0.2)


def test_results_with_padding_do_not_depend_on_blocks(phantom: Phantom, run_with_padding: Path, tmp_path: Path) -> None:
    run_here(padded(phantom, tmp_path, 130), out=tmp_path / "out", block=(96, 40, 64))
    assert_same_results(run_with_padding, tmp_path / "out")


def test_a_mask_and_an_attribute_act_alike(phantom: Phantom, tmp_path: Path) -> None:
    inputs = padded(phantom, tmp_path, 0, no_data=0)
    mask = np.ones(voxome.open(inputs["raw"]).shape, np.uint8)
    mask[:, :, -PADDING:] = 0
    textured = voxome.open(inputs["raw"])[...]
    textured[:, :, -PADDING:] = 1 + 250 * (np.indices(textured[:, :, -PADDING:].shape).sum(axis=0) % 2)
    masked = {"raw": save(tmp_path / "textured.zarr", textured), "mask": save(tmp_path / "mask.zarr", mask)}
    run_here({**inputs, "detect_no_data": False}, out=tmp_path / "value")
    run_here({**inputs, **masked, "detect_no_data": False}, out=tmp_path / "mask")
    assert (neurons_of(tmp_path / "value")[:, :, -PADDING:] == 0).all()
    assert_same_results(tmp_path / "value", tmp_path / "mask")


def test_neurons_go_on_across_gaps_of_two_sections_but_not_of_five(
    phantom: Phantom, reference: Path, tmp_path: Path
) -> None:
    inputs = {}
    for name in ("raw", "membranes"):
        values = voxome.open(phantom.inputs[name])[...]
        values[20], values[44:46], values[70:75] = 0, 255, 130
        inputs[name] = save(tmp_path / f"{name}.zarr", values)
    run_here(inputs, out=tmp_path / "out", block=(48, 48, 48))
    neurons, expected = neurons_of(tmp_path / "out"), neurons_of(reference)
    absent = (neurons == 0).all(axis=(1, 2))
    assert np.flatnonzero(absent).tolist() == [70, 71, 72, 73, 74]
    for sections in ([*range(18), *range(23, 42), *range(48, 68)], [*range(77, 96)]):
        score = score_segmentation(contingency(expected[sections], neurons[sections]))
        assert score.adapted_rand_error < 0.05
    summary = json.loads((tmp_path / "out" / "run.json").read_text())["summary"]
    assert (summary["bridged sections"], summary["missing sections"]) == ("20, 44-45", "70-74")


def test_tissue_beyond_the_box_of_a_run_is_seen(phantom: Phantom, reference: Path, tmp_path: Path) -> None:
    box = (slice(20, 60), slice(10, 80), slice(0, 96))
    run_here(phantom.inputs, out=tmp_path / "out", block=(48, 48, 48), box="20:60,10:80,0:96")
    for name in ("affinities", "membranes"):
        found = voxome.open(f"{tmp_path}/out/{name}.zarr")[...]
        known = voxome.open(f"{reference}/{name}.zarr")[(..., *box)]
        assert np.array_equal(found, known), name


def test_an_image_without_tissue_is_refused(phantom: Phantom, tmp_path: Path) -> None:
    raw = save(tmp_path / "raw.zarr", np.full((96, 96, 96), 7, np.uint8))
    with pytest.raises(RunFailed, match=r"no tissue in the box: it is constant.*choose another box"):
        run_here({**phantom.inputs, "raw": raw}, out=tmp_path / "out")
