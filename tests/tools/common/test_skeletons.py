"""The tools of skeletons over a whole segmentation, and their traps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tools.common.skeletonization.tubes import draw_tube

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


def run(
    labels: str, folder: Path, block: int, box: str | None = None, **values: float
) -> tuple[dict[int, Skeleton], TableFile]:
    specs = [load("voxome.tools", name).spec for name in SKELETONS]
    handles = run_chain(
        chain_of("skeletons", *specs),
        {"labels": labels, **values},
        store=folder / f"run{block}",
        options=RunOptions.of((block,) * 3, box, 0, None),
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


@pytest.mark.slow
def test_blocks_and_boxes_give_the_skeletons_of_the_whole(tmp_path: Path) -> None:
    array = np.zeros((140, 150, 160), np.uint64)
    draw_tube(array, [(200, 300, 300), (900, 1350, 1300), (1280, 400, 1500)], 70, SIZE, label=1)
    draw_tube(array, [(900, 1350, 1300), (1300, 1400, 300)], 40, SIZE, label=1)
    draw_tube(array, [(700, 200, 1200), (700, 200, 1440)], 100, SIZE, label=2**63 + 5)
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.put(array, uri, voxel_size_nm=SIZE)
    whole, rows = run(uri, tmp_path / "whole", 160)
    for block, box in [(128, None), (77, None), (50, "13:138,9:145,11:158")]:
        found, other = run(uri, tmp_path / f"{box}", block, box)
        assert found.keys() == whole.keys() == {1, 2**63 + 5}
        for id, skeleton in whole.items():
            assert np.array_equal(found[id].nodes_nm, skeleton.nodes_nm)
            assert np.array_equal(found[id].edges, skeleton.edges)
            assert np.array_equal(found[id].radii_nm, skeleton.radii_nm)
        assert {name: column.tolist() for name, column in other.read().items()} == {
            name: column.tolist() for name, column in rows.read().items()
        }


@pytest.mark.parametrize("block", [60, 20, 7])
def test_dust_is_judged_by_the_whole_object(labels: str, tmp_path: Path, block: int) -> None:
    found, table = run(labels, tmp_path, block, min_volume_nm3=1000 * 1e3)
    assert found.keys() == {1}
    rows = table.read()
    assert rows["id"].tolist() == [1, 2, 2**63 + 5], "objects without a skeleton are named"
    assert rows["nodes"].tolist()[1:] == [0, 0]
    assert rows["voxels"][1] == 900
