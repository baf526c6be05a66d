"""Meshes, skeletons and annotations of a DVID version through the protocols of resources, on the stand-in server."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.contracts.abilities import ability
from voxome.contracts.shapes import Mesh
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.errors import InvalidBox, InvalidInput, NotFound, UnknownName, UnsupportedFormat
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.elements import Element
from voxome.remotes.dvid.keyvalue import KeyValue
from voxome.remotes.mesh_files.ngmesh import encode_ngmesh
from voxome.resources.listing import ls

pytestmark = pytest.mark.slow

MESH = Mesh(np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]]), np.array([[0, 1, 2], [0, 2, 3]]))
SWC = b"1 1 10 20 30 2 -1\n2 0 11 20 30 1 1\n"
BIG = 2**63 + 5
NM = ",".join(["nanometers"] * 3)
ELEMENTS = [
    Element((3, 2, 1), "PreSyn", ("a", "b"), {"conf": "0.5"}),
    Element((17, 20, 30), "PostSyn"),
    Element((31, 0, 0), "Note"),
]


@pytest.fixture
def uri(node, create_instance) -> str:
    """A version with labels 1 to 4 in slabs of 8 planes, and voxels of 40 x 8 x 8 nm."""
    create_instance("labelmap", "segmentation", BlockSize="32,32,32", VoxelSize="8,8,40", VoxelUnits=NM)
    voxels = np.arange(1, 5, dtype=np.uint64).repeat(8)[:, None, None] * np.ones((1, 32, 32), np.uint64)
    url = f"{node.api.base}/api/node/{node.uuid}/segmentation/raw/0_1_2/32_32_32/0_0_0"
    httpx.post(url, content=voxels.tobytes()).raise_for_status()
    return f"dvid://{node.api.base.partition('://')[2]}/{node.uuid}"


def test_meshes(uri: str, node, create_instance) -> None:
    create_instance("keyvalue", "segmentation_meshes")
    files = KeyValue(node, "segmentation_meshes")
    files["1.ngmesh"] = files[f"{BIG}.ngmesh"] = encode_ngmesh(MESH)
    files["notes"] = b"not a mesh"
    meshes = voxome.open(f"{uri}/segmentation_meshes", expect=voxome.Meshes)
    assert meshes.ids().tolist() == [1, BIG]
    assert_array_equal(meshes[BIG].vertices_nm, MESH.vertices_nm)
    with pytest.raises(NotFound, match="one level of detail"):
        meshes.mesh(1, lod=1)
    with pytest.raises(NotFound, match="no mesh of body 2"):
        meshes[2]
    volume = voxome.open(f"{uri}/segmentation", expect=voxome.Volume)
    assert_array_equal(volume.mesh(1).faces, MESH.faces)
    assert ability(volume.source, SkeletonSource) is None
    with pytest.raises(UnsupportedFormat, match="this store keeps no skeletons"):
        volume.skeleton(1, service="own")
    supervoxels = voxome.open(f"{uri}/segmentation?supervoxels=true", expect=voxome.Volume)
    assert ability(supervoxels.source, MeshSource) is None
    with pytest.raises(InvalidInput, match="holds meshes; a volume was expected"):
        voxome.transfer(f"{uri}/segmentation_meshes", "memory://copy")


def test_meshes_of_supervoxels_cannot_be_listed(uri: str, create_instance) -> None:
    create_instance("tarsupervoxels", "segmentation_sv_meshes", Extension="drc")
    with pytest.raises(UnsupportedFormat, match="cannot list"):
        voxome.open(f"{uri}/segmentation_sv_meshes", expect=voxome.Meshes).ids()


def test_skeletons(uri: str, node, create_instance) -> None:
    create_instance("keyvalue", "segmentation_skeletons")
    KeyValue(node, "segmentation_skeletons")["2_swc"] = SWC
    skeletons = voxome.open(f"{uri}/segmentation_skeletons", expect=voxome.Skeletons)
    assert skeletons.ids().tolist() == [2]
    assert skeletons[2].nodes_nm.tolist() == [[1220, 164, 84], [1220, 164, 92]]
    assert voxome.open(f"{uri}/segmentation", expect=voxome.Volume).skeleton(2).parents.tolist() == [-1, 0]


def test_annotations(uri: str, node, create_instance) -> None:
    create_instance("annotation", "synapses")
    url = f"{node.api.base}/api/node/{node.uuid}/synapses/sync"
    httpx.post(url, json={"sync": "segmentation"}).raise_for_status()
    AnnotationInstance(node, "synapses").post(ELEMENTS)
    points = voxome.open(f"{uri}/synapses", expect=voxome.Points)
    assert (points.shape, points.relations) == ("point", ("body",))
    ids = points.ids()
    found = points.get(ids)
    assert_array_equal(found.positions_nm[:, 0], [[140, 20, 12], [700, 164, 244], [1260, 4, 4]])
    assert found.properties["kind"].tolist() == ["PreSyn", "PostSyn", "Note"]
    assert found.properties["confidence"].tolist()[0] == 0.5
    assert found.properties["tags"].tolist() == ["a,b", "", ""]
    assert points[int(ids[1])].ids.tolist() == [ids[1]]
    assert points.within((0, 0, 0), (700, 1e9, 1e9)).ids.tolist() == ids[:1].tolist()
    assert points.within((140, 20, 12), (700.1, 165, 245)).ids.tolist() == ids[:2].tolist()
    assert points.within((-1e12, -1e12, -1e12), (1e12, 1e12, 1e12)).ids.tolist() == ids.tolist()
    with pytest.raises(InvalidBox, match="is reversed"):
        points.within((5, 5, 5), (1, 1, 1))
    assert points.related("body", 3).ids.tolist() == [ids[1]]
    assert len(points.related("body", 9)) == 0
    with pytest.raises(UnknownName, match="body"):
        points.related("neuron", 3)
    with pytest.raises(NotFound, match=r"no annotation at \(0, 0, 7\)"):
        points[7]
    with pytest.raises(InvalidInput, match="not the id of an annotation"):
        points[2**64 - 1]


def test_annotations_need_labels_with_a_voxel_size(uri: str, node, create_instance) -> None:
    create_instance("annotation", "marks")
    AnnotationInstance(node, "marks").post(ELEMENTS[:1])
    with pytest.raises(UnsupportedFormat, match=r"name some, as in \?labels=segmentation"):
        voxome.open(f"{uri}/marks")
    points = voxome.open(f"{uri}/marks?labels=segmentation", expect=voxome.Points)
    assert points.get(points.ids()).positions_nm.tolist() == [[[140, 20, 12]]]
    with pytest.raises(NotFound, match="no instance labels"):
        voxome.open(f"{uri}/marks?labels=labels")


def test_a_listing_describes_instances(uri: str, create_instance) -> None:
    types = {
        "segmentation_meshes": "keyvalue",
        "segmentation_skeletons": "keyvalue",
        "synapses": "annotation",
        "names": "keyvalue",
    }
    for name, type_name in types.items():
        create_instance(type_name, name)
    found = {info.uri.rpartition("/")[2]: info.type for info in ls(uri)}
    assert found["segmentation_meshes"] == "meshes"
    assert found["segmentation_skeletons"] == "skeletons"
    assert found["synapses"] == "points"
    assert found["names"] == "keyvalue"
    assert found["segmentation"] == "volume"
    with pytest.raises(UnsupportedFormat, match="not a volume but a keyvalue"):
        voxome.open(f"{uri}/names")
