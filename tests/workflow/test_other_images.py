"""Images of other voxel sizes and data types than those of the shipped network, with membranes given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from workflow.pipeline import CONNECTOME, Phantom, assert_same_results

import voxome
from voxome.reports import score
from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow


def voxels(phantom: Phantom, name: str) -> NDArray[Any]:
    return voxome.open(f"{phantom.folder}/{name}.zarr", expect=voxome.Volume)[:]


def store(path: Path, array: NDArray[Any], **fields: Any) -> str:
    fields = {"voxel_size_nm": (10, 10, 10), **fields}
    voxome.create(f"zarr://{path}", voxome.VolumeSpec.of(array.shape, array.dtype, **fields))[:] = array
    return str(path)


def test_synapses_are_found_at_40_10_10_nm(phantom: Phantom, tmp_path: Path) -> None:
    inputs = {
        name: store(tmp_path / f"{name}.zarr", voxels(phantom, name)[::4], voxel_size_nm=(40, 10, 10))
        for name in ("raw", "membranes")
    }
    run(CONNECTOME, inputs, out=tmp_path / "out", block=(24, 96, 96), engine="sequential")
    found = score.detections(phantom.folder / "synapses.parquet", tmp_path / "out" / "synapses.parquet", 150)
    assert found.recall >= 0.8
    assert found.precision >= 0.9


def test_copies_of_an_image_in_other_data_types_give_the_same_results(
    phantom: Phantom, reference: Path, tmp_path: Path
) -> None:
    raw = voxels(phantom, "raw")
    deep = store(tmp_path / "deep.zarr", raw.astype(np.uint16) * 257)
    inputs = {**phantom.inputs, "raw": f"{deep}?window=0:65535"}
    record = run(CONNECTOME, inputs, out=tmp_path / "deep", block=(48, 48, 48), engine="sequential")
    assert_same_results(tmp_path / "deep", reference)
    assert "?window=0:65535" in str(record["inputs"]["raw"])
    shutil.rmtree(tmp_path / "deep")
    scored = ((raw - raw.mean()) / raw.std()).astype(np.float32)
    membranes = store(tmp_path / "membranes.zarr", voxels(phantom, "membranes") / np.float32(255))
    inputs = {"raw": store(tmp_path / "scored.zarr", scored) + "?window=0.5%:99.5%", "membranes": membranes}
    record = run(CONNECTOME, inputs, out=tmp_path / "scored", block=(48, 48, 48), engine="sequential")
    same = score.segmentation(f"{reference}/neurons.zarr", f"{tmp_path}/scored/neurons.zarr")
    assert same.voi_split + same.voi_merge < 0.1
    synapses = score.detections(reference / "synapses.parquet", tmp_path / "scored" / "synapses.parquet", 50)
    assert synapses.f1 >= 0.9
    assert any("are read as 0 to 255" in warning for warning in record["warnings"])
