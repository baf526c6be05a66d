"""Meshes and skeletons that cloud-volume writes, and ours read by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudvolume
import numpy as np
import pytest
from cloudvolume.datasource.precomputed.sharding import ShardingSpecification
from numpy.testing import assert_allclose, assert_array_equal
from remotes.precomputed.layers import BIG_IDS, SHARDING, write_info, write_shards, write_volume
from remotes.precomputed.test_meshes import multiresolution, write_legacy, write_multiresolution
from remotes.precomputed.test_skeletons import ATTRIBUTES, DATA

import voxome

pytestmark = pytest.mark.slow
IDS = BIG_IDS[:3]
TRANSFORM = [2, 0, 0, 7, 0, 2, 0, 0, 0, 0, 2, -5]


def peer(folder: Path) -> Any:
    return cloudvolume.CloudVolume(f"file://{folder}", progress=False, compress=False)


def test_legacy_meshes_agree_with_cloud_volume(tmp_path: Path) -> None:
    write_volume(tmp_path, mesh="mesh")
    write_legacy(tmp_path / "mesh", IDS[1])
    theirs = peer(tmp_path).mesh.get(IDS[1], remove_duplicate_vertices=False)
    theirs = theirs[IDS[1]] if isinstance(theirs, dict) else theirs
    ours = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)[IDS[1]]
    assert_array_equal(ours.vertices_nm[:, ::-1][ours.faces[:, ::-1]], theirs.vertices[theirs.faces])


@pytest.mark.parametrize("sharded", [False, True])
def test_multiresolution_meshes_agree_with_cloud_volume(tmp_path: Path, sharded: bool) -> None:
    write_volume(tmp_path, mesh="mesh")
    write_multiresolution(tmp_path / "mesh", sharded, TRANSFORM)
    ours = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)
    for id in IDS:
        for lod in (0, 1):
            theirs = peer(tmp_path).mesh.get(id, lod=lod)[id]
            mesh = ours.mesh(id, lod)
            assert_allclose(mesh.vertices_nm[:, ::-1], theirs.vertices, rtol=1e-6)
            assert_array_equal(mesh.faces[:, ::-1], theirs.faces)


def test_shards_of_meshes_that_cloud_volume_wrote(tmp_path: Path) -> None:
    fragments, index, expected = multiresolution()
    sharding = {**SHARDING, "data_encoding": "raw"}
    info = {"@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": 10, "transform": TRANSFORM}
    write_info(tmp_path / "mesh", {**info, "lod_scale_multiplier": 1, "sharding": sharding})
    values = dict.fromkeys(IDS, fragments + index)
    sizes = dict.fromkeys(IDS, len(index))
    shards = ShardingSpecification.from_dict(sharding).synthesize_shards(values, data_offset=sizes)
    for name, data in shards.items():
        (tmp_path / "mesh" / name).write_bytes(data)
    ours = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)
    assert ours.ids().tolist() == list(IDS)
    for id in IDS:
        for lod, xyz in enumerate(expected):
            assert_allclose(ours.mesh(id, lod).vertices_nm, (xyz * 2 + [7, 0, -5])[:, ::-1], rtol=1e-6)


@pytest.mark.parametrize("sharded", [False, True])
def test_skeletons_agree_with_cloud_volume(tmp_path: Path, sharded: bool) -> None:
    write_volume(tmp_path, skeletons="skeletons")
    info = {"@type": "neuroglancer_skeletons", "transform": TRANSFORM, "vertex_attributes": ATTRIBUTES[:2]}
    data = DATA[: -4 * 2 * 2]
    write_info(tmp_path / "skeletons", {**info, "sharding": SHARDING} if sharded else info)
    if sharded:
        write_shards(tmp_path / "skeletons", SHARDING, dict.fromkeys(IDS, data))
    for id in () if sharded else IDS:
        (tmp_path / "skeletons" / str(id)).write_bytes(data)
    ours = voxome.open(f"precomputed://{tmp_path}/skeletons", expect=voxome.Skeletons)
    for id in IDS:
        theirs = peer(tmp_path).skeleton.get(id).physical_space()
        found = ours[id]
        assert_allclose(found.nodes_nm[:, ::-1], theirs.vertices)
        assert_array_equal(found.edges, theirs.edges)
        assert_array_equal(found.attributes["swc_type"], theirs.vertex_types)


def test_skeletons_that_cloud_volume_wrote(tmp_path: Path) -> None:
    write_volume(tmp_path, skeletons="skeletons")
    layer = peer(tmp_path)
    vertices = np.array([[0, 0, 0], [10, 0, 0], [10, 20, 0]], np.float32)
    layer.skeleton.meta.info["transform"] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    layer.skeleton.meta.commit_info()
    skeleton = cloudvolume.Skeleton(vertices, np.array([[0, 1], [1, 2]]), radii=np.array([1, 2, 3]), segid=IDS[1])
    layer.skeleton.upload(skeleton)
    found = voxome.open(f"precomputed://{tmp_path}/skeletons", expect=voxome.Skeletons)[IDS[1]]
    assert_array_equal(found.nodes_nm, vertices[:, ::-1])
    assert found.radii_nm.tolist() == [1, 2, 3]
    assert found.parents.tolist() == [1, 2, -1]
