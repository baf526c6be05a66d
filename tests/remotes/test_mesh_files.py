"""Mesh files that we write are read back bit by bit, and in place by trimesh; those of others are understood."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal
from remotes.precomputed.surfaces import ball, box, open_edges, triangles, volume

from voxome.contracts.shapes import Mesh
from voxome.errors import CorruptData, UnsupportedFormat
from voxome.remotes.mesh_formats import WRITTEN, decode_mesh, encode_mesh

EMPTY = Mesh(np.zeros((0, 3)), np.zeros((0, 3)))
MESHES = {
    "ball": ball(900, (123456.789, 0.3, -77), 12),
    "voxel": box((60.5 * 5.24, 3 * 4.0, 7 * 3.7), (61.5 * 5.24, 4 * 4.0, 8 * 3.7)),
    "large": box((1e7, 0, 0), (1e7 + 40, 16, 8)),
}
PEERS = sorted(set(WRITTEN) - {".ngmesh"})


@pytest.mark.parametrize("mesh", MESHES.values(), ids=MESHES)
@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_mesh_is_read_back_bit_by_bit(suffix: str, mesh: Mesh) -> None:
    back = decode_mesh(f"5{suffix}", encode_mesh(f"5{suffix}", mesh))
    assert_array_equal(triangles(back), triangles(mesh))
    assert volume(back) == pytest.approx(volume(mesh))
    if suffix != ".stl":
        assert_array_equal(back.vertices_nm, mesh.vertices_nm)
        assert_array_equal(back.faces, mesh.faces)
    assert len(back.vertices_nm) == len(mesh.vertices_nm)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_mesh_of_nothing_is_read_back(suffix: str) -> None:
    back = decode_mesh(f"5{suffix}", encode_mesh(f"5{suffix}", EMPTY))
    assert back.vertices_nm.shape == back.faces.shape == (0, 3)


@pytest.mark.parametrize("suffix", PEERS)
def test_trimesh_reads_our_files(suffix: str) -> None:
    mesh = MESHES["ball"]
    found = load(encode_mesh(f"5{suffix}", mesh), suffix)
    size = 1e9 if suffix == ".glb" else 1
    assert_allclose(np.asarray(found.bounds) * size, extent(mesh)[:, ::-1], rtol=1e-5)
    assert found.is_watertight
    assert found.volume * size**3 == pytest.approx(volume(mesh), rel=1e-4)


def load(data: bytes, suffix: str) -> Any:
    found: Any = trimesh.load(io.BytesIO(data), file_type=suffix[1:], process=False)
    found = found.to_geometry() if isinstance(found, trimesh.Scene) else found
    if suffix == ".stl":
        found.merge_vertices()
    return found


def extent(mesh: Mesh) -> Any:
    return np.stack([mesh.vertices_nm.min(axis=0), mesh.vertices_nm.max(axis=0)])


@pytest.mark.parametrize(
    ("suffix", "options"), [(".ply", {}), (".ply", {"encoding": "ascii"}), (".stl", {}), (".obj", {})]
)
def test_files_of_trimesh_are_read(suffix: str, options: Any) -> None:
    mesh = ball(900, (1000, 2000, 3000), 12)
    theirs = trimesh.Trimesh(mesh.vertices_nm[:, ::-1], mesh.faces[:, ::-1], process=False)
    data = theirs.export(file_type=suffix[1:], **options)
    back = decode_mesh(f"5{suffix}", data if isinstance(data, bytes) else data.encode())
    assert open_edges(back) == 0
    assert_allclose(extent(back), extent(mesh), rtol=1e-5)
    assert volume(back) == pytest.approx(volume(mesh), rel=1e-3)


def test_scenes_of_trimesh_are_read_with_the_places_of_their_parts() -> None:
    part = trimesh.creation.box((1e-6, 2e-6, 3e-6))
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(np.pi / 2, (0, 0, 1))
    scene.add_geometry(part, transform=trimesh.transformations.translation_matrix((5e-6, 0, 0)) @ turn)
    scene.add_geometry(part, transform=np.diag([-1, 1, 1, 1]))
    back = decode_mesh("5.glb", scene.export(file_type="glb"))
    assert_allclose(extent(back), [[-1500, -1000, -500], [1500, 1000, 6000]], rtol=1e-4)
    assert volume(back) == pytest.approx(2 * 6e9, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "1.ply",
            "ply\nformat ascii 1.0\nelement vertex 4\nproperty double x\nproperty double y\nproperty double z\n"
            "property uchar red\nelement face 2\n"
            "property list uchar int vertex_index\nproperty float quality\nend_header\n"
            "0 0 0 255\n1 0 0 255\n1 1 0 255\n0 1 0 255\n3 0 1 2 0.5\n3 0 2 3 0.5\n",
        ),
        (
            "1.ply",
            "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
            "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
            "0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n",
        ),
        (
            "1.stl",
            "solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 1 1 0\nendloop\nendfacet\n"
            "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 1 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid x\n",
        ),
        ("1.OBJ", "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n"),
    ],
)
def test_a_square_in_text_is_two_triangles(name: str, text: str) -> None:
    square = Mesh([[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]], [[2, 1, 0], [3, 2, 0]])
    assert_array_equal(triangles(decode_mesh(name, text.encode())), triangles(square))


def test_a_binary_ply_of_the_other_byte_order_with_polygons_is_read() -> None:
    header = (
        "ply\nformat binary_big_endian 1.0\ncomment a\nelement vertex 5\nproperty float x\nproperty float y\nproperty "
        "float z\nelement face 2\nproperty list uchar short vertex_indices\nend_header\n"
    )
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], ">f4")
    body = points.tobytes() + struct.pack(">B4h", 4, 0, 1, 2, 3) + struct.pack(">B3h", 3, 0, 1, 4)
    mesh = decode_mesh("1.ply", header.encode() + body)
    assert_array_equal(mesh.vertices_nm, points[:, ::-1])
    assert mesh.faces.tolist() == [[2, 1, 0], [3, 2, 0], [4, 1, 0]]


@pytest.mark.parametrize("suffix", [".ply", ".stl", ".glb"])
def test_files_cut_short_are_corrupt(suffix: str) -> None:
    data = encode_mesh(f"5{suffix}", MESHES["voxel"])
    for length in (0, 3, 20, 90, len(data) // 2, len(data) - 1):
        with pytest.raises(CorruptData, match=f"5{suffix}: cannot decode its {length} bytes"):
            decode_mesh(f"5{suffix}", data[:length])


def glb(change: Any) -> bytes:
    data = encode_mesh("5.glb", MESHES["voxel"])
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    change(document)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + data[20 + size :]
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.update(extensionsRequired=["KHR_draco_mesh_compression"]), "needs the extensions KHR_draco"),
        (lambda one: one["meshes"][0]["primitives"][0].update(mode=1), "only triangles are read"),
        (lambda one: one["buffers"][0].update(uri="other.bin"), "data in other files"),
        (lambda one: one["accessors"][0].pop("bufferView"), "sparse data"),
    ],
)
def test_gltf_that_is_not_read_is_named(change: Any, message: str) -> None:
    with pytest.raises(UnsupportedFormat, match=message):
        decode_mesh("5.glb", glb(change))


def test_gltf_is_in_metres() -> None:
    data = encode_mesh("5.glb", MESHES["voxel"])
    found = load(data, ".glb")
    assert_allclose(found.extents, np.array([3.7, 4.0, 5.24]) * 1e-9, rtol=1e-5)
    assert b'"frame": "vertices: x, y, z in nm from the corner of voxel 0"' in data
    without_scale = decode_mesh("5.glb", glb(lambda one: one["nodes"][0].pop("scale")))
    assert_allclose(without_scale.vertices_nm, MESHES["voxel"].vertices_nm * 1e9, rtol=1e-6)
