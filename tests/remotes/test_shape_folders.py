"""Folders of mesh files and of SWC files, and tables of annotations, are recognised by their content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import UnsupportedFormat

MESH = voxome.Mesh([[0, 0, 0], [0, 0, 8], [0, 8, 0], [8, 0, 0]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
SKELETON = voxome.Skeleton([[0, 0, 0], [0, 0, 8]], [[1, 0]], [1, 1])


@pytest.mark.parametrize("suffix", ["ply", "obj", "stl", "glb", "ngmesh"])
def test_a_folder_of_meshes_is_recognised(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "neurons"
    folder.mkdir()
    voxome.save(MESH, folder / f"1004.{suffix}")
    for companion in (".hidden", "README", "about.txt", "voxome.json"):
        (folder / companion).write_text("{}")
    meshes = voxome.open(folder, expect=voxome.Meshes)
    assert meshes.ids().tolist() == [1004]
    assert voxome.info(folder)["kind"] == "meshes"
    assert voxome.info(folder)["objects"] == 1
    assert [one.type for one in voxome.ls(tmp_path)] == ["meshes"]


def test_a_folder_of_skeletons_is_recognised(tmp_path: Path) -> None:
    voxome.save(SKELETON, tmp_path / "7.swc")
    assert voxome.open(str(tmp_path), expect=voxome.Skeletons).ids().tolist() == [7]
    assert voxome.info(tmp_path)["kind"] == "skeletons"


@pytest.mark.slow
def test_what_a_writer_leaves_is_recognised(tmp_path: Path) -> None:
    labels = np.zeros((8, 8, 8), np.uint64)
    labels[2:6, 2:6, 2:6] = 5
    for folder, write, scheme in (("m", voxome.write_meshes, "meshfiles"), ("s", voxome.write_skeletons, "swc")):
        voxome.put(labels, f"zarr://{tmp_path}/{folder}.zarr", voxel_size_nm=(8, 8, 8), kind="labels")
        write(f"zarr://{tmp_path}/{folder}.zarr", f"{scheme}://{tmp_path}/{folder}", workers=1, engine="sequential")
        assert voxome.open(tmp_path / folder).uri == f"{scheme}://{tmp_path}/{folder}"


@pytest.mark.parametrize("other", ["volume.h5", "folder/a", "8.swc", "3.png"])
def test_a_folder_with_something_else_is_not(tmp_path: Path, other: str) -> None:
    voxome.save(MESH, tmp_path / "1004.ply")
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_text("1 0 0 0 0 1 -1\n")
    with pytest.raises(UnsupportedFormat, match=r"meshes \(ID\.ply\)"):
        voxome.open(tmp_path)


def test_a_folder_of_meshes_that_are_not_called_by_ids_is_not(tmp_path: Path) -> None:
    voxome.save(MESH, tmp_path / "corner.ply")
    with pytest.raises(UnsupportedFormat, match="not a recognised volume"):
        voxome.open(tmp_path)


def test_a_table_of_annotations_is_recognised(tmp_path: Path) -> None:
    found = voxome.Annotations("point", [7], [[[1, 2, 3]]])
    for suffix in ("csv", "parquet"):
        voxome.create_annotations(tmp_path / f"a.{suffix}", found)
        assert voxome.open(tmp_path / f"a.{suffix}", expect=voxome.Points).ids().tolist() == [7]
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UnsupportedFormat, match=r"annotations \(\.csv, \.parquet\)"):
        voxome.open(tmp_path / "b.csv")


def test_centroids_of_segments_are_points(tmp_path: Path) -> None:
    labels = np.zeros((4, 6, 8), np.uint64)
    labels[:2, :4] = 7
    table = voxome.regions(labels, voxel_size_nm=(40, 10, 10))
    table.write(tmp_path / "regions.parquet")
    table.write(tmp_path / "regions.csv")
    for suffix in ("csv", "parquet"):
        point = voxome.open(tmp_path / f"regions.{suffix}", expect=voxome.Points)[7]
        np.testing.assert_array_equal(point.positions_nm, [[[40, 20, 40]]])
