"""Meshes computed from voxels are in their exact place in every stored format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.contracts.shape_writers import ShapesSpec, SupportsWriteMeshes
from voxome.contracts.uri import Uri
from voxome.resources.recognition import get_remote

SIZE, START, STOP = np.array([40.0, 16.0, 8.0]), np.array([60, 3, 7]), np.array([64, 9, 21])


@pytest.fixture(scope="module")
def mesh() -> voxome.Mesh:
    """The mesh of a box of voxels, in a volume that begins at index (58, 1, 5)."""
    spec = voxome.VolumeSpec(
        voxome.Box((58, 1, 5), (70, 20, 30)), np.dtype("uint64"), kind="labels", voxel_size_nm=tuple(SIZE)
    )
    volume = voxome.create("memory://stored-meshes", spec)
    volume[2:6, 2:8, 2:16] = 7  # counted from the first voxel
    return volume.mesh(7, service="local")


@pytest.mark.parametrize(
    "uri",
    [
        "precomputed://{}/a",
        "precomputed://{}/a?bits=10&sharded=false",
        "precomputed://{}/a?format=legacy",
        "meshfiles://{}/a?format=ply",
        "meshfiles://{}/a?format=obj",
        "meshfiles://{}/a?format=stl",
        "meshfiles://{}/a?format=glb",
    ],
)
def test_the_box_of_a_mesh_is_that_of_its_voxels(mesh: voxome.Mesh, tmp_path: Path, uri: str) -> None:
    assert_box(mesh)
    remote_uri, _, query = uri.format(tmp_path).partition("?")
    options = dict(part.split("=") for part in query.split("&")) if query else {}
    parsed = Uri.parse(remote_uri)
    remote = get_remote(parsed.scheme)
    assert isinstance(remote, SupportsWriteMeshes)
    spec = ShapesSpec(groups=1, voxel_size_nm=tuple(SIZE), domain=voxome.Box.of_shape((9, 9, 9)), options=options)
    remote.check_meshes(parsed, spec)
    writer = remote.open_mesh_writer(parsed, spec)
    writer.write_group(0, [(7, [mesh])])
    writer.finish(None)
    assert_box(voxome.open(remote_uri, expect=voxome.Meshes)[7])


def assert_box(mesh: voxome.Mesh) -> None:
    assert_array_equal(mesh.vertices_nm.min(axis=0), START * SIZE)
    assert_array_equal(mesh.vertices_nm.max(axis=0), STOP * SIZE)
