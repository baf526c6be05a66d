from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.contracts import id_groups
from voxome.contracts.spec import VolumeSpec
from voxome.registry import load
from voxome.resources.create import create
from voxome.resources.table import TableFile
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.options import RunOptions


@pytest.fixture
def labels(tmp_path: Path) -> tuple[str, np.ndarray]:
    array = np.random.default_rng(1).integers(0, 40, (8, 9, 10)).astype(np.uint64) + np.uint64(2**63)
    uri = f"zarr://{tmp_path}/labels.zarr"
    create(uri, VolumeSpec.of(array.shape, array.dtype, kind="labels", voxel_size_nm=(8, 8, 8)))[...] = array
    return uri, array


@pytest.fixture
def graph(register_plugin):
    for name in ("pieces", "objects"):
        register_plugin("voxome.tools", f"test.{name}", f"workflow.chain_tools:{name}")
    return chain_of("objects", *(load("voxome.tools", f"test.{name}").spec for name in ("pieces", "objects")))


def run(graph, labels, tmp_path, block, **values):
    options = RunOptions(block=block)
    values = {"labels": labels, **values}
    handles = run_chain(graph, values, store=tmp_path / "run", options=options, engine="sequential")
    return TableFile(handles["objects"].uri).read()


def test_outputs_are_joined_to_inputs_of_their_name(graph):
    assert set(graph.inputs) == {"labels", "least_voxels"}
    assert set(graph.outputs) == {"objects"}


@pytest.mark.slow
@pytest.mark.parametrize("block", [(4, 4, 4), (8, 9, 10), (3, 9, 5)])
def test_a_tool_of_groups_sees_whole_objects(graph, labels, tmp_path, block):
    uri, array = labels
    table = run(graph, uri, tmp_path, block)
    ids, voxels = np.unique(array, return_counts=True)
    assert table["id"].tolist() == ids.tolist()
    assert table["voxels"].tolist() == voxels.tolist()


@pytest.mark.slow
def test_every_group_has_its_own_ids(graph, labels, tmp_path, monkeypatch):
    monkeypatch.setattr(id_groups, "_VOXELS", 200)
    table = run(graph, labels[0], tmp_path, (4, 4, 4))
    assert len(table["id"]) == 40
    assert set(table["group"]) == {0, 1, 2, 3}
    assert table["group"].tolist() == id_groups.group_of(table["id"], 4).tolist()


@pytest.mark.slow
def test_a_limit_holds_for_whole_objects(graph, labels, tmp_path):
    uri, array = labels
    ids, voxels = np.unique(array, return_counts=True)
    table = run(graph, uri, tmp_path, (2, 2, 2), least_voxels=18)
    assert table["id"].tolist() == ids[voxels >= 18].tolist()


@pytest.mark.slow
def test_a_second_call_repeats_nothing(graph, labels, tmp_path):
    run(graph, labels[0], tmp_path, (4, 4, 4))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.parquet")}
    run(graph, labels[0], tmp_path, (4, 4, 4))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.parquet")}
