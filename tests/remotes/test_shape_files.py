"""Folders of mesh files and of SWC files, a file an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from remotes.precomputed.layers import BIG_IDS
from remotes.precomputed.surfaces import box, triangles

import voxome
from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import ShapesSpec, SupportsWriteMeshes, SupportsWriteSkeletons
from voxome.contracts.shapes import Skeleton
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnknownName
from voxome.geometry import Box
from voxome.remotes.meshfiles import MeshFilesRemote
from voxome.remotes.swc import SwcRemote

MESHES = {id: [box((0, 0, row), (40, 16, row + 8))] for row, id in enumerate(BIG_IDS)}
SKELETON = Skeleton([[1, 2, 3], [4, 5, 6]], [[1, 0]], [1, 2], {"swc_type": np.array([1, 2])})


def spec_of(**options: Any) -> ShapesSpec:
    return ShapesSpec(groups=1, voxel_size_nm=(40, 16, 8), domain=Box.of_shape((9, 9, 9)), options=options)


def write_meshes(uri: str, shapes: Any = None, **options: Any) -> None:
    parsed, remote = Uri.parse(uri), MeshFilesRemote()
    assert isinstance(remote, SupportsWriteMeshes)
    remote.check_meshes(parsed, spec_of(**options))
    writer = remote.open_mesh_writer(parsed, spec_of(**options))
    writer.write_group(0, iter((MESHES if shapes is None else shapes).items()))
    made_by = Provenance.now("meshes", "local", "common.meshes", "1")
    for _ in range(2):
        writer.finish(made_by)


@pytest.mark.parametrize(
    ("query", "options"), [("", {}), ("?format=ply", {}), ("", {"format": "glb"}), ("?format=obj", {})]
)
def test_meshes_are_files_that_are_read_back(tmp_path: Path, query: str, options: dict[str, Any]) -> None:
    write_meshes(f"meshfiles://{tmp_path}/a{query}", **options)
    suffix = options.get("format") or query.partition("=")[2] or "ply"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        ["voxome.json", *(f"{id}.{suffix}" for id in BIG_IDS)]
    )
    for uri in (f"meshfiles://{tmp_path}/a", f"meshfiles://{tmp_path}/a?format={suffix}"):
        found = voxome.open(uri, expect=voxome.Meshes)
        assert found.ids().tolist() == sorted(BIG_IDS)
        for id in BIG_IDS:
            assert_array_equal(triangles(found[id]), triangles(MESHES[id][0]))
    (tmp_path / "a" / "notes.txt").touch()
    assert MeshFilesRemote().foreign_names(Uri.parse(f"meshfiles://{tmp_path}/a")) == ["notes.txt"]
    assert [one.service for one in voxome.provenance(f"meshfiles://{tmp_path}/a")] == ["meshes"]
    assert [(one.type, one.description) for one in voxome.ls(f"meshfiles://{tmp_path}/a")] == [("meshes", "4 files")]
    with pytest.raises(NotFound, match="has no file 6"):
        found[6]
    with pytest.raises(NotFound, match="one level of detail"):
        found.mesh(5, 1)


def test_files_of_others_are_meshes_too(tmp_path: Path) -> None:
    voxome.save(MESHES[5][0], tmp_path / "5.stl")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "neuron.ply").write_text("")
    assert voxome.open(f"meshfiles://{tmp_path}", expect=voxome.Meshes).ids().tolist() == [5]
    assert voxome.open(f"meshfiles://{tmp_path}?format=ply", expect=voxome.Meshes).ids().tolist() == []


def test_folders_with_something_else_and_unknown_options_are_refused(tmp_path: Path) -> None:
    write_meshes(f"meshfiles://{tmp_path}/a")
    with pytest.raises(AlreadyExists):
        write_meshes(f"meshfiles://{tmp_path}/a")
    with pytest.raises(InvalidInput, match="format is 'drc'; expected ply or obj or stl or glb or ngmesh"):
        write_meshes(f"meshfiles://{tmp_path}/b?format=drc")
    with pytest.raises(UnknownName, match="Unknown option 'bits'"):
        write_meshes(f"meshfiles://{tmp_path}/b", bits=10)
    with pytest.raises(NotFound):
        voxome.open(f"meshfiles://{tmp_path}/none")
    with pytest.raises(UnknownName, match="Unknown option 'formt'"):
        voxome.open(f"meshfiles://{tmp_path}/a?formt=ply")


def test_a_folder_without_meshes_exists(tmp_path: Path) -> None:
    write_meshes(f"meshfiles://{tmp_path}/a", {})
    assert voxome.open(f"meshfiles://{tmp_path}/a", expect=voxome.Meshes).ids().tolist() == []
    MeshFilesRemote().delete(Uri.parse(f"meshfiles://{tmp_path}/a"))
    assert not (tmp_path / "a").exists()


def test_skeletons_are_files_that_are_read_back(tmp_path: Path) -> None:
    uri, remote = Uri.parse(f"swc://{tmp_path}/a"), SwcRemote()
    assert isinstance(remote, SupportsWriteSkeletons)
    remote.check_skeletons(uri, spec_of())
    writer = remote.open_skeleton_writer(uri, spec_of())
    writer.write_group(0, iter([(id, SKELETON) for id in BIG_IDS]))
    writer.finish(Provenance.now("skeletons", "local", "common.skeletons", "1"))
    found = voxome.open(str(uri), expect=voxome.Skeletons)
    assert found.ids().tolist() == sorted(BIG_IDS)
    assert_allclose(found[BIG_IDS[-1]].nodes_nm, SKELETON.nodes_nm)
    assert found[5].attributes["swc_type"].tolist() == [1, 2]
    assert [one.tool for one in voxome.provenance(str(uri))] == ["common.skeletons"]
    assert remote.foreign_names(uri) == []
    with pytest.raises(AlreadyExists):
        remote.check_skeletons(uri, spec_of())


def test_the_unit_of_swc_files_of_others_is_given_in_the_uri(tmp_path: Path) -> None:
    (tmp_path / "5.swc").write_text("1 0 1 2 3 0.5 -1\n")
    with pytest.raises(InvalidInput, match=r"5\.swc: its header says no unit"):
        voxome.open(f"swc://{tmp_path}", expect=voxome.Skeletons)[5]
    assert voxome.open(f"swc://{tmp_path}?unit=um", expect=voxome.Skeletons)[5].nodes_nm.tolist() == [
        [3000, 2000, 1000]
    ]
    with pytest.raises(InvalidInput, match="unit is 'inch'"):
        voxome.open(f"swc://{tmp_path}?unit=inch")


def test_skeletons_become_graphs_of_networkx() -> None:
    graph = SKELETON.to_networkx()
    assert dict(graph.nodes(data=True)) == {
        0: {"position_nm": (1, 2, 3), "radius_nm": 1, "swc_type": 1},
        1: {"position_nm": (4, 5, 6), "radius_nm": 2, "swc_type": 2},
    }
    assert list(graph.edges(data="length_nm")) == [(0, 1, pytest.approx(27**0.5))]
    assert len(Skeleton(np.zeros((3, 3)), np.zeros((0, 2)), np.ones(3)).to_networkx()) == 3
