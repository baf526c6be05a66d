"""Mesh files written by hand or by another library."""

from __future__ import annotations

import struct

import DracoPy
import numpy as np
import pytest

from voxome.contracts.shapes import Mesh
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.remotes.mesh_files.ngmesh import encode_ngmesh
from voxome.remotes.mesh_formats import decode_mesh, encode_mesh

XYZ = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30]], np.float32)
FACES = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]], np.uint32)
NGMESH = struct.pack("<I", 4) + XYZ.tobytes() + FACES.tobytes()
OBJ = b"""# a corner
v 0 0 0
v 10 0 0 1.0
v 0 20.0 0
v 0 0 3e1
vn 0 0 1
g part
f 1 2 3
f 1/1 2/2/2 4//1
f -4 -2 -1
f 2 3 4
"""


@pytest.mark.parametrize(("name", "data"), [("1.ngmesh", NGMESH), ("1.obj", OBJ)])
def test_meshes_are_decoded(name, data):
    mesh = decode_mesh(name, data)
    assert np.array_equal(mesh.vertices_nm, XYZ[:, ::-1])
    assert np.array_equal(mesh.faces, FACES[:, ::-1])
    assert encode_ngmesh(mesh) == NGMESH


def test_a_closed_mesh_encloses_a_positive_volume_in_our_order_of_axes():
    outward = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.uint32)
    ngmesh = struct.pack("<I", 4) + XYZ.tobytes() + outward.tobytes()
    obj = "".join(f"v {x} {y} {z}\n" for x, y, z in XYZ) + "".join(f"f {a} {b} {c}\n" for a, b, c in outward + 1)
    draco = DracoPy.encode(XYZ, outward, quantization_bits=16)
    for name, data in (("1.ngmesh", ngmesh), ("1.obj", obj.encode()), ("1.drc", draco)):
        mesh = decode_mesh(name, data)
        assert enclosed_volume(mesh) == pytest.approx(1000, rel=1e-3)


def enclosed_volume(mesh):
    """Signed volume, by the divergence theorem."""
    a, b, c = np.moveaxis(mesh.vertices_nm[mesh.faces].astype(float), 1, 0)
    return float((a * np.cross(b, c)).sum() / 6)


def test_draco_is_decoded():
    mesh = decode_mesh("1.drc", DracoPy.encode(XYZ, FACES, quantization_bits=16))

    def triangles(corners):
        return {frozenset(map(tuple, triangle)) for triangle in corners.round(2).tolist()}

    assert triangles(mesh.vertices_nm[mesh.faces]) == triangles(XYZ[FACES][..., ::-1])


def test_quadrilaterals_are_split_into_triangles():
    mesh = decode_mesh("a/b.obj", b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    assert mesh.faces.tolist() == [[2, 1, 0], [3, 2, 0]]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("1.ngmesh", NGMESH[:-1]),
        ("1.ngmesh", NGMESH[:20]),
        ("1.ngmesh", b"\1"),
        ("1.ngmesh", struct.pack("<I", 4) + XYZ.tobytes() + (FACES + 1).tobytes()),
        ("1.obj", b"v 0 0 0\nf 1 2 3\n"),
        ("1.obj", b"v 0 0\n"),
        ("1.obj", b"v a b c\n"),
        ("1.obj", b"\xff\xfe"),
        ("1.drc", b"DRACO, cut"),
        ("1.drc", b"something else"),
    ],
)
def test_data_that_are_not_a_mesh_are_refused(name, data):
    with pytest.raises(CorruptData, match=rf"{name}: cannot decode its {len(data)} bytes as a mesh"):
        decode_mesh(name, data)


def test_unknown_suffixes_are_named():
    with pytest.raises(UnsupportedFormat, match=r"1\.fbx is not a known mesh format.* \.ngmesh, \.obj, \.drc"):
        decode_mesh("1.fbx", b"")
    with pytest.raises(UnsupportedFormat, match=r"1\.drc is not a mesh format that voxome writes; use \.ngmesh, \.obj"):
        encode_mesh("1.drc", decode_mesh("1.ngmesh", NGMESH))


def test_meshes_are_joined():
    one = decode_mesh("1.obj", OBJ)
    both = Mesh.join([one, one])
    assert both.vertices_nm.shape == (8, 3)
    assert both.faces[4:].tolist() == (FACES + 4)[:, ::-1].tolist()
    assert Mesh.join([]).faces.shape == (0, 3)
    with pytest.raises(InvalidInput, match="vertex 9 of 4"):
        Mesh(XYZ, np.array([[0, 1, 9]]))
