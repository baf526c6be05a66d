"""The tools of skeletons over a whole segmentation, and their traps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tools.common.skeletonization.tubes import draw_tube

import voxome
from voxome.contracts.shapes import Skeleton
from voxome.errors import PlanError, RunFailed, VoxomeError
from voxome.registry import load
from voxome.resources.table import TableFile
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.options import RunOptions
from voxome.workflow.run_tool import run_tool
from voxome.workflow.shapes import SKELETONS

pytestmark = pytest.mark.slow

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
        np.testing.assert_equal(dict(other.read()), dict(rows.read()))


@pytest.mark.parametrize("block", [60, 20, 7])
def test_dust_is_judged_by_the_whole_object(labels: str, tmp_path: Path, block: int) -> None:
    found, table = run(labels, tmp_path, block, min_volume_nm3=1000 * 1e3)
    assert found.keys() == {1}
    rows = table.read()
    assert rows["id"].tolist() == [1, 2, 2**63 + 5], "objects without a skeleton are named"
    assert rows["nodes"].tolist()[1:] == [0, 0]
    assert rows["voxels"][1] == 900


def test_cross_sections_do_not_depend_on_blocks_and_are_those_of_the_service(tmp_path: Path) -> None:
    array = np.zeros((140, 60, 150), np.uint64)
    draw_tube(array, [(200, 300, 200), (1200, 300, 1300)], 80, SIZE, label=1)
    array[20:23, 50:, 20:120] = 2  # leaves the volume
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.put(array, uri, voxel_size_nm=SIZE)
    expected = voxome.open(uri).skeletons(cross_sections=True)
    for block, box in [(256, None), (128, None), (128, "5:139,0:60,3:150")]:
        found, table = run(uri, tmp_path / f"{box}", block, box, cross_sections=True)
        medians = dict(zip(*(table.read()[name].tolist() for name in ("id", "median_cross_section_nm2")), strict=True))
        assert found.keys() == {1, 2}
        for id, skeleton in found.items():
            areas = skeleton.attributes["cross_section_nm2"]
            assert np.array_equal(areas, expected[id].attributes["cross_section_nm2"], equal_nan=True)
            known = areas[~np.isnan(areas)]
            assert medians[id] == pytest.approx(np.median(known) if len(known) else np.nan, nan_ok=True, rel=1e-6)
        assert medians[1] == pytest.approx(np.pi * 80**2, rel=0.1)
        assert np.isnan(found[2].attributes["cross_section_nm2"]).any()


def test_areas_are_only_of_calls_that_ask_for_them(labels: str, tmp_path: Path) -> None:
    found, table = run(labels, tmp_path, 60)
    assert not any(skeleton.attributes for skeleton in found.values())
    assert np.isnan(table.read()["median_cross_section_nm2"]).all()
    pieces = tmp_path / "run60"
    assert pieces.exists()
    with pytest.raises(PlanError, match="cross_sections needs the labels"):
        run_tool(
            "common.skeletons",
            {"pieces": next(pieces.glob("common.skeleton_pieces-*/pieces")), "cross_sections": True},
            store=tmp_path / "alone",
            engine="sequential",
        )
    for shape in ((30, 60, 60), (60, 60, 60)):
        other = f"zarr://{tmp_path}/{shape[0]}.zarr"
        voxome.put(np.zeros(shape, np.uint64), other, voxel_size_nm=SIZE)
        values = {"pieces": next(pieces.glob("common.skeleton_pieces-*/pieces")), "labels": other}
        with pytest.raises(RunFailed, match="give those from which its pieces were traced"):
            run_tool(
                "common.skeletons",
                {**values, "cross_sections": True},
                store=tmp_path / "alone",
                engine="sequential",
            )


def test_roots_and_targets_of_a_table_are_in_the_skeletons(labels: str, tmp_path: Path) -> None:
    table = tmp_path / "points.parquet"
    ids = pa.array([1, 1, 2**63 + 5], pa.uint64())
    places = {"z_nm": [55.0, 545, 405], "y_nm": [305.0, 255, 305], "x_nm": [55.0, 495, 205]}
    pq.write_table(pa.table({"id": ids, **places, "kind": ["root", "target", "root"]}), table)
    whole = voxome.write_skeletons(labels, f"precomputed://{tmp_path}/whole", points=table)
    plain = voxome.write_skeletons(labels, f"precomputed://{tmp_path}/plain")
    for id, root in ((1, (55, 305, 55)), (2**63 + 5, (405, 305, 205))):
        found = whole[id]
        assert np.allclose(found.nodes_nm[found.parents < 0], [root])
        assert not np.allclose(plain[id].nodes_nm[plain[id].parents < 0], [root])
    assert np.linalg.norm(whole[1].nodes_nm - (545, 255, 495), axis=1).min() < 1e-3
    assert np.array_equal(whole[2].nodes_nm, plain[2].nodes_nm)
    one = voxome.skeleton(labels, 1, root_nm=(55, 305, 55), targets_nm=[(545, 255, 495)], service="local")
    assert whole[1].length_nm == pytest.approx(one.length_nm, rel=1e-5)
    demanded = voxome.skeletons(labels, [1], points=table)[1]
    assert np.allclose(demanded.nodes_nm, whole[1].nodes_nm, atol=1e-3)
    assert "points" in demanded.provenance.parameters


@pytest.mark.parametrize(
    ("position", "kind", "message"),
    [
        ((5.0, 5.0, 5.0), "target", "outside their objects"),
        ((5.0, 5.0, 9000.0), "root", "outside the volume"),
        ((55.0, 305.0, 55.0), "leaf", "expected 'root' or 'target'"),
    ],
)
def test_a_point_that_is_not_in_its_object_is_refused(
    labels: str, tmp_path: Path, position: tuple[float, float, float], kind: str, message: str
) -> None:
    table = tmp_path / "points.parquet"
    columns = dict(zip(("z_nm", "y_nm", "x_nm"), ([one] for one in position), strict=True))
    pq.write_table(pa.table({"id": pa.array([1], pa.uint64()), **columns, "kind": [kind]}), table)
    with pytest.raises(VoxomeError, match=message):
        voxome.write_skeletons(labels, f"precomputed://{tmp_path}/out", points=table)
    with pytest.raises(VoxomeError, match=message.replace("volume", "box")):
        voxome.skeletons(labels, points=table)[1]
