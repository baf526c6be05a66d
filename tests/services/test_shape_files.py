"""Single files of meshes and skeletons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnsupportedFormat

MESH = voxome.Mesh([[0, 0, 0], [0, 0, 8], [0, 8, 0], [8, 0, 0]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
SKELETON = voxome.Skeleton([[1, 2, 3], [4, 5, 6]], [[1, 0]], [1, 2])


@pytest.mark.parametrize("name", ["a.obj", "a.ply", "a.STL", "a.glb", "a.ngmesh"])
def test_a_mesh_is_saved_and_loaded(tmp_path: Path, name: str) -> None:
    voxome.save(MESH, tmp_path / name)
    back = voxome.load(tmp_path / name)
    assert isinstance(back, voxome.Mesh)
    assert len(back.faces) == 4
    assert_array_equal(np.sort(back.vertices_nm, axis=0), np.sort(MESH.vertices_nm, axis=0))


def test_a_skeleton_is_saved_and_loaded(tmp_path: Path) -> None:
    voxome.save(SKELETON, str(tmp_path / "a.swc"))
    assert_array_equal(voxome.load(tmp_path / "a.swc").nodes_nm, SKELETON.nodes_nm)
    assert_array_equal(voxome.load(tmp_path / "a.swc", unit="um").nodes_nm, SKELETON.nodes_nm * 1000)


def test_files_are_only_overwritten_on_request(tmp_path: Path) -> None:
    voxome.save(MESH, tmp_path / "a.ply")
    with pytest.raises(AlreadyExists, match="overwrite=True"):
        voxome.save(MESH, tmp_path / "a.ply")
    voxome.save(MESH, tmp_path / "a.ply", overwrite=True)


@pytest.mark.parametrize(
    ("shape", "name", "error"),
    [
        (MESH, "a.swc", UnsupportedFormat),
        (MESH, "a.drc", UnsupportedFormat),
        (SKELETON, "a.ply", UnsupportedFormat),
        (MESH, "a", UnsupportedFormat),
        (np.zeros((3, 3)), "a.ply", InvalidInput),
    ],
)
def test_what_has_no_format_is_refused(tmp_path: Path, shape: Any, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        voxome.save(shape, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"a\.ply does not exist"):
        voxome.load(tmp_path / "a.ply")
    with pytest.raises(UnsupportedFormat, match=r"a\.txt is not a known format of meshes or skeletons"):
        voxome.load(tmp_path / "a.txt")
    with pytest.raises(InvalidInput, match="unit is 'inch'; expected nm, um, mm"):
        voxome.load(tmp_path / "a.swc", unit="inch")
    voxome.save(MESH, tmp_path / "a.ply")
    with pytest.raises(InvalidInput, match=r"a\.ply: unit='um' is for skeletons"):
        voxome.load(tmp_path / "a.ply", unit="um")
