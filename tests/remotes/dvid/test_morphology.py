"""Meshes and skeletons in FlyEM's layout, on the stand-in server."""

from __future__ import annotations

import DracoPy
import httpx
import numpy as np
import pytest

from voxome.contracts.shapes import Mesh
from voxome.errors import CorruptData, NotFound, UnsupportedFormat
from voxome.remotes.dvid.keyvalue import KeyValue
from voxome.remotes.dvid.morphology import Meshes, Skeletons, region_mesh
from voxome.remotes.dvid.supervoxels import SupervoxelFiles
from voxome.remotes.mesh_files.ngmesh import encode_ngmesh

pytestmark = pytest.mark.slow

MESH = Mesh(np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]]), np.array([[0, 1, 2], [0, 2, 3]]))
SWC = '#${"mutation id": %d}\n1 1 10 20 30 2 -1\n2 0 11 20 30 1 1\n'


@pytest.fixture
def segmentation(node, create_instance):
    create_instance(
        "labelmap", "segmentation", BlockSize="32,32,32", VoxelSize="8,8,40", VoxelUnits=",".join(["nanometers"] * 3)
    )
    voxels = np.arange(4, dtype=np.uint64).repeat(8)[:, None, None] * np.ones((1, 32, 32), np.uint64)
    url = f"{node.api.base}/api/node/{node.uuid}/segmentation/raw/0_1_2/32_32_32/0_0_0"
    httpx.post(url, content=voxels.tobytes()).raise_for_status()
    return node


def test_meshes_of_bodies_are_read(segmentation, create_instance):
    create_instance("keyvalue", "segmentation_meshes")
    create_instance("keyvalue", "segmentation_meshes_mutid")
    meshes = Meshes(segmentation)
    meshes.bodies["1.ngmesh"] = encode_ngmesh(MESH)
    meshes.bodies["2.obj"] = b"v 0 0 1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    meshes.bodies["3.ngmesh"] = b"short"
    assert np.array_equal(meshes.get(1).vertices_nm, MESH.vertices_nm)
    assert np.array_equal(meshes.get(1).faces, MESH.faces)
    assert meshes.get(2).vertices_nm[0].tolist() == [1, 0, 0]
    with pytest.raises(CorruptData, match=r"3\.ngmesh: cannot decode its 5 bytes as a mesh"):
        meshes.get(3)
    with pytest.raises(NotFound, match=r"no mesh of body 9: no key 9\.ngmesh, 9\.obj, 9\.drc in segmentation_meshes"):
        meshes.get(9)
    assert sorted(meshes.get_many([1, 2, 9])) == [1, 2]


def test_meshes_are_stale_after_an_edit(segmentation, create_instance):
    create_instance("keyvalue", "segmentation_meshes")
    meshes = Meshes(segmentation)
    assert meshes.mutation_id(1) is None
    create_instance("keyvalue", "segmentation_meshes_mutid")
    meshes = Meshes(segmentation)
    with pytest.raises(NotFound, match="not recorded for body 1"):
        meshes.is_stale(1)
    meshes.edits["1"] = b"0"
    assert not meshes.is_stale(1)
    edit = meshes.labels.merge(1, [2])
    assert meshes.is_stale(1)
    meshes.edits["1"] = str(edit).encode()
    assert not meshes.is_stale(1)
    meshes.edits["1"] = b"one"
    with pytest.raises(CorruptData, match="expected a number"):
        meshes.mutation_id(1)


def test_meshes_of_supervoxels_are_joined(segmentation, create_instance):
    create_instance("tarsupervoxels", "segmentation_sv_meshes", Extension="drc")
    sync = f"{segmentation.api.base}/api/node/{segmentation.uuid}/segmentation_sv_meshes/sync"
    httpx.post(sync, json={"sync": "segmentation"}).raise_for_status()
    files = SupervoxelFiles(segmentation, "segmentation_sv_meshes")
    draco = DracoPy.encode(MESH.vertices_nm[:, ::-1].copy(), MESH.faces)
    files.put(1, draco)
    files.put(2, draco)
    meshes = Meshes(segmentation)
    meshes.labels.merge(1, [2])
    assert meshes.get(1).faces.shape == (4, 3)
    with pytest.raises(NotFound, match="the mesh of body 3 is incomplete: 1 supervoxels have none, such as 3"):
        meshes.get(3)


def test_skeletons_are_read(segmentation, create_instance):
    create_instance("keyvalue", "segmentation_skeletons")
    skeletons = Skeletons(segmentation)
    skeletons.files["1_swc"] = (SWC % 0).encode()
    skeleton = skeletons.get(1)
    assert skeleton.nodes_nm.tolist() == [[1220, 164, 84], [1220, 164, 92]]
    assert skeleton.parents.tolist() == [-1, 0]
    assert (skeletons.mutation_id(1), skeletons.is_stale(1)) == (0, False)
    skeletons.labels.merge(1, [2])
    assert skeletons.is_stale(1)
    with pytest.raises(NotFound, match="no skeleton of body 2 in segmentation_skeletons"):
        skeletons.get(2)
    assert list(skeletons.get_many([2, 1])) == [1]


def test_units_that_are_not_lengths_are_refused(node, create_instance):
    create_instance("labelmap", "segmentation", VoxelUnits="feet,feet,feet")
    with pytest.raises(UnsupportedFormat, match="feet"):
        _ = Skeletons(node).labels.voxel_size_nm


def test_the_mesh_of_a_region_is_read(node, create_instance):
    create_instance("keyvalue", "rois")
    create_instance("keyvalue", "roi_data")
    rois = KeyValue(node, "rois")
    rois.put_json("EB", {"->": {"type": "ROI", "key": "EB_mesh"}})
    rois.put_json("FB", {})
    KeyValue(node, "roi_data")["EB_mesh"] = b"v 0 0 1\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    assert region_mesh(node, "EB").faces.tolist() == [[2, 1, 0]]
    with pytest.raises(NotFound, match="'FB' has no mesh"):
        region_mesh(node, "FB")
    with pytest.raises(NotFound, match="no key 'PB' in rois"):
        region_mesh(node, "PB")
