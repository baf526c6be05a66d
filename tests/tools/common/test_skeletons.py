"""The tools of skeletons over a whole segmentation, and their traps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.contracts.shapes import Skeleton
from voxome.registry import load
from voxome.resources.table import TableFile
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.options import RunOptions
from voxome.workflow.shapes import SKELETONS

SIZE = (10.0, 10.0, 10.0)


@pytest.fixture
def labels(tmp_path: Path) -> str:
    """Return a snake of 3,000 voxels, a cube of 900, and a line with a large id, in blocks of 20."""
    array = np.zeros((60, 60, 60), np.uint64)
    array[5, 5:55, 4:7] = 1
    array[5:55, 54, 4:7] = 1
    array[54, 5:55, 4:54] = 1
    array[20:29, 20:30, 30:40] = 2
    array[40, 30, 5:55] = 2**63 + 5
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.put(array, uri, voxel_size_nm=SIZE)
    return uri


def run(labels: str, folder: Path, block: int, **values: float) -> tuple[dict[int, Skeleton], TableFile]:
    specs = [load("voxome.tools", name).spec for name in SKELETONS]
    handles = run_chain(
        chain_of("skeletons", *specs),
        {"labels": labels, **values},
        store=folder / f"run{block}",
        options=RunOptions(block=(block,) * 3),
        engine="sequential",
    )
    found = voxome.open(handles["skeletons"].uri, expect=voxome.Skeletons)
    return {id: found[id] for id in found.ids().tolist()}, TableFile(handles["objects"].uri)


def test_skeletons_of_all_labels_are_stored(labels: str, tmp_path: Path) -> None:
    found, table = run(labels, tmp_path, 60)
    assert found.keys() == {1, 2, 2**63 + 5}
    rows = table.read()
    assert rows["id"].tolist() == sorted(found)
    assert rows["voxels"].tolist() == [int((voxome.open(labels)[...] == id).sum()) for id in sorted(found)]
    for id, cable, nodes in zip(rows["id"].tolist(), rows["cable_nm"], rows["nodes"], strict=True):
        assert cable == pytest.approx(found[id].length_nm, rel=1e-5)
        assert nodes == len(found[id].nodes_nm)


def test_blocks_give_the_skeletons_of_the_whole(labels: str, tmp_path: Path) -> None:
    whole, before = run(labels, tmp_path, 60)
    blocks, after = run(labels, tmp_path, 20)
    assert whole.keys() == blocks.keys()
    line = 2**63 + 5
    assert blocks[line].length_nm == pytest.approx(whole[line].length_nm, rel=0.02)
    for name in ("id", "voxels", "parts"):
        assert before.read()[name].tolist() == after.read()[name].tolist()


@pytest.mark.parametrize("block", [60, 20, 7])
def test_dust_is_judged_by_the_whole_object(labels: str, tmp_path: Path, block: int) -> None:
    found, table = run(labels, tmp_path, block, min_volume_nm3=1000 * 1e3)
    assert found.keys() == {1}
    rows = table.read()
    assert rows["id"].tolist() == [1, 2, 2**63 + 5], "objects without a skeleton are named"
    assert rows["nodes"].tolist()[1:] == [0, 0]
    assert rows["voxels"][1] == 900
