"""Meshes, skeletons and properties of the store behind a source are served beside its voxels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.serving import as_user, serving
from remotes.precomputed.surfaces import ball
from remotes.precomputed.test_mesh_writer import write as write_meshes
from remotes.precomputed.test_skeleton_writer import write as write_skeletons

import voxome
from voxome.contracts.shapes import Skeleton
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources

ID = 2**63 + 5
MESH = ball(500, (400, 160, 80))
NODES = np.array([[40, 16, 8], [80, 32, 16.5]])
LINE = Skeleton(NODES, np.array([[1, 0]]), np.array([5, 6.5]), {"weight": np.array([1, 2])})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    """A relay of labels with meshes and skeletons, the same for members only, and labels without."""
    spec = voxome.VolumeSpec.of((9, 9, 9), "uint64", kind="labels", voxel_size_nm=(40, 16, 8))
    for name in ("seg", "plain"):
        voxome.create(f"precomputed://{folder}/{name}", spec)[2:4] = ID
    write_meshes(folder / "seg/mesh", {ID: [MESH], 7: [MESH]}, {})
    write_skeletons(folder / "seg/skeletons", {ID: LINE})
    sources = Sources()
    sources.add("seg", f"precomputed://{folder}/seg")
    sources.add("private", f"precomputed://{folder}/seg", Rights(readers=frozenset({"lab"})))
    sources.add("plain", f"precomputed://{folder}/plain")
    members = {"bob": "lab"}
    with serving(sources, ["precomputed"], members=members) as url, closing(httpx.Client(base_url=url)) as client:
        yield client


def test_metadata_name_the_folders_that_there_are(client: httpx.Client) -> None:
    info = client.get("/precomputed/seg/info").json()
    names = {"mesh", "skeletons", "segment_properties"}
    assert {name: info[name] for name in names} == {name: name for name in names}
    assert not names & set(client.get("/precomputed/plain/info").json())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("seg/mesh/info", 200), ("seg/skeletons/info", 200), ("seg/segment_properties/info", 200),
        (f"seg/mesh/{ID}:0", 200), (f"seg/mesh/{ID}:0:0", 200), (f"seg/skeletons/{ID}", 200),
        ("seg/mesh/8:0", 404), ("seg/mesh/8:0:0", 404), (f"seg/mesh/{ID}", 404), (f"seg/mesh/{ID}:1", 404),
        ("seg/mesh/07:0", 404), (f"seg/mesh/{2**64}:0", 404), ("seg/mesh/-1:0", 404), (f"seg/mesh/{'9' * 5000}:0", 404),
        ("seg/mesh", 404), ("seg/mesh/", 404), ("seg/mesh/a/b", 404), ("seg/skeletons/7", 404),
        ("seg/skeletons/x", 404), ("plain/mesh/info", 404), ("plain/mesh/7:0", 404), ("plain/skeletons/info", 404),
        ("plain/segment_properties/info", 404),
    ],
)  # fmt: skip
def test_only_shapes_of_the_store_have_files(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(f"/precomputed/{path}")
    assert answer.status_code == status
    assert status == 200 or set(answer.json()) == {"message"}


def test_ids_beyond_double_precision_are_texts(client: httpx.Client) -> None:
    assert client.get("/precomputed/seg/segment_properties/info").json()["inline"]["ids"] == ["7", str(ID)]
    assert client.get(f"/precomputed/seg/mesh/{ID}:0").json() == {"fragments": [f"{ID}:0:0"]}


def test_voxome_reads_the_same_shapes_again(client: httpx.Client, folder: Path) -> None:
    volume = voxome.open(f"precomputed://{client.base_url}/precomputed/seg".rstrip("/"), expect=voxome.Volume)
    again, first = volume.mesh(ID), voxome.open(f"precomputed://{folder}/seg", expect=voxome.Volume).mesh(ID)
    assert_array_equal(again.vertices_nm, first.vertices_nm)
    assert_array_equal(again.faces, first.faces)
    skeleton = volume.skeleton(ID)
    assert_array_equal(skeleton.nodes_nm, LINE.nodes_nm)
    assert_array_equal(skeleton.radii_nm, LINE.radii_nm)


def test_rights_hold_for_shapes_too(client: httpx.Client) -> None:
    for path in ("mesh/info", f"mesh/{ID}:0", f"skeletons/{ID}", "segment_properties/info"):
        assert client.get(f"/precomputed/private/{path}").status_code == 401
        assert client.get(f"/precomputed/private/{path}", headers=as_user("bob")).status_code == 200


def test_a_damaged_mesh_is_trouble_of_the_store(client: httpx.Client, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "seg", tmp_path / "seg")
    for shard in (tmp_path / "seg/mesh").glob("*.shard"):
        shard.write_bytes(np.random.default_rng(0).bytes(shard.stat().st_size))
    sources = Sources()
    sources.add("seg", f"precomputed://{tmp_path}/seg")
    with serving(sources, ["precomputed"]) as url:
        answer = httpx.get(f"{url}/precomputed/seg/mesh/{ID}:0")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert str(tmp_path) not in json.dumps(answer.json())
