"""``voxome ls``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from remotes.precomputed.layers import write_info, write_volume

import voxome
from voxome.contracts.source import ResourceInfo
from voxome.contracts.uri import Uri


@pytest.fixture
def folder(command: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Volumes of several formats, one of them in a folder further down."""
    spec = voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(4, 4, 4))
    for uri in ("zarr://a.zarr", "n5://b.n5", "precomputed://c", "zarr://deep/er/d.zarr"):
        voxome.create(uri, spec)
    np.save("e.npy", np.zeros((2, 3)))
    (tmp_path / "notes.txt").write_text("no volume")
    return command


def _names(result: Any) -> dict[str, str]:
    return {info["uri"].rpartition("/")[2]: info["type"] for info in result.json}


@pytest.mark.slow
def test_a_folder_of_any_formats(folder: Any) -> None:
    there = {"a.zarr": "volume", "b.n5": "volume", "c": "volume", "e.npy": "volume", "deep": "folder"}
    assert _names(folder("ls", "--json")) == there
    assert _names(folder("ls", ".", "-r", "--json")) == {**there, "er": "folder", "d.zarr": "volume"}
    result = folder("ls")
    assert (result.status, result.err) == (0, "")
    assert all(name in result.out for name in there)


@pytest.mark.slow
def test_hidden_files_are_not_listed(folder: Any, tmp_path: Path) -> None:
    voxome.create("zarr://.hidden", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    assert ".hidden" not in _names(folder("ls", "--json"))
    assert _names(folder("ls", ".hidden", "--json")) == {".hidden": "volume"}


@pytest.mark.slow
def test_an_empty_folder_is_reported(folder: Any, tmp_path: Path) -> None:
    for place in ("notes.txt", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        result = folder("ls", place)
        assert (result.status, result.out, result.err) == (0, "", f"No volumes found in {place}\n")
        assert folder("ls", place, "--json").json == []


@pytest.mark.slow
def test_one_volume(folder: Any, tmp_path: Path) -> None:
    for uri in ("a.zarr", f"zarr://{tmp_path}/a.zarr"):
        (info,) = folder("ls", uri, "--json").json
        assert info["uri"].endswith("a.zarr")
        assert info["description"] == "uint8 4,5,6"


def test_a_missing_folder_is_an_error(folder: Any) -> None:
    for uri in ("nowhere", "zarr://nowhere", "nothing://x"):
        result = folder("ls", uri)
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith("voxome: ")


class Tree:
    """A store whose places hold places."""

    def list(self, uri: Uri) -> Any:
        depth = uri.path.count("/")
        for name in ("x", "y") if depth < 2 else ():
            yield ResourceInfo(f"tree://{uri.path}/{name}", "volume" if depth == 1 else "collection")


def test_recursive_listing_of_a_store(command: Any, register_plugin: Callable[[str, str, str], None]) -> None:
    register_plugin("voxome.remotes", "tree", f"{__name__}:Tree")
    assert [info["type"] for info in command("ls", "tree://top", "--json").json] == ["collection"] * 2
    found = command("ls", "tree://top", "-r", "--json").json
    assert [info["uri"].removeprefix("tree://top/") for info in found] == ["x", "x/x", "x/y", "y", "y/x", "y/y"]


@pytest.mark.slow
def test_resources_beside_volumes_are_listed_and_described(command: Callable[..., Any], tmp_path: Path) -> None:
    write_volume(tmp_path / "seg", mesh="mesh", skeletons="skeletons", segment_properties="properties")
    write_info(tmp_path / "seg/mesh", {"@type": "neuroglancer_legacy_mesh"})
    write_info(tmp_path / "seg/skeletons", {"@type": "neuroglancer_skeletons"})
    point = {"@type": "neuroglancer_annotations_v1", "annotation_type": "line"}
    write_info(tmp_path / "marks", {**point, "dimensions": {axis: [1, "nm"] for axis in "xyz"}})
    assert _names(command("ls", ".", "--json")) == {
        "seg": "volume",
        "mesh": "meshes",
        "skeletons": "skeletons",
        "properties": "segment properties",
        "marks": "points",
    }
    facts = {
        "uri": "precomputed://seg/mesh",
        "format": "precomputed",
        "kind": "meshes",
        "objects": 0,
        "made_with": None,
    }
    assert command("info", "seg/mesh", "--json").json == facts
    assert command("info", "seg/skeletons", "--json").json["kind"] == "skeletons"
    assert command("info", "marks", "--json").json["geometry"] == "line"
    for arguments in (
        ("transfer", "seg/mesh", "zarr://copy"),
        ("get", "seg/mesh", "copy.npy"),
        ("rm", "seg/mesh", "-y"),
    ):
        result = command(*arguments)
        assert result.status == 1
        assert "holds meshes; a volume was expected" in result.err
    assert (tmp_path / "seg/mesh/info").exists()
