"""Meshes, skeletons and annotations that are stored as precomputed are served byte for byte."""

from __future__ import annotations

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
from voxome.relay.collections import Collections
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources

ID = 2**63 + 5
COUNT = 3000
NODES = np.array([[40, 16, 8], [80, 32, 16.5]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    spec = voxome.VolumeSpec.of((9, 9, 9), "uint64", kind="labels", voxel_size_nm=(40, 16, 8))
    voxome.create(f"precomputed://{folder}/seg", spec)[2:4] = ID
    meshes = {ID: [ball(500, (400, 160, 80)), ball(100, (400, 160, 80))]}
    write_meshes(folder / "seg/mesh", meshes, {})
    line = Skeleton(NODES, np.array([[1, 0]]), np.array([5, 6.5]), {"weight": np.array([1, 2], np.float32)})
    write_skeletons(folder / "seg/skeletons", {7: line})
    voxome.create_annotations(f"precomputed://{folder}/synapses", synapses(), voxel_size_nm=(1, 1, 1), limit=50)
    return folder


def synapses() -> voxome.Annotations:
    random = np.random.default_rng(0)
    pre = random.choice(np.array([7, ID], np.uint64), (COUNT, 1))
    return voxome.Annotations(
        "point",
        np.arange(1, COUNT + 1, dtype=np.uint64),
        random.integers(0, 5000, (COUNT, 1, 3)).astype(float),
        {"score": random.random(COUNT).astype(np.float32)},
        relations={
            "pre": pre,
            "post": np.full((COUNT, 1), 9, np.uint64),
        },
    )


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    sources, collections = Sources(), Collections()
    sources.add("seg", f"precomputed://{folder}/seg")
    collections.add("lab/synapses", f"precomputed://{folder}/synapses")
    collections.add("secret", f"precomputed://{folder}/synapses", Rights(frozenset({"lab"})))
    collections.add("gone", f"precomputed://{folder}/gone")
    members = {"ann": "lab", "bob": None}
    dialects = ["precomputed", "view"]
    with (
        serving(sources, dialects, members=members, collections=collections) as url,
        closing(httpx.Client(base_url=url)) as client,
    ):
        yield client


def files_in(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("served", "stored"),
    [("seg/mesh", "seg/mesh"), ("seg/skeletons", "seg/skeletons"), ("lab/synapses", "synapses")],
)
def test_every_stored_file_is_served_as_it_is(client: httpx.Client, folder: Path, served: str, stored: str) -> None:
    names = files_in(folder / stored)
    assert "info" in names
    assert len(names) > 1
    for name in names:
        content = (folder / stored / name).read_bytes()
        url = f"/precomputed/{served}/{name}"
        answer = client.get(url)
        assert (answer.status_code, answer.content) == (200, content), url
        etag = answer.headers["etag"]
        assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
        assert client.head(url).headers["content-length"] == str(len(content))
        if len(content) < 8:
            continue
        for wanted, first, last in (
            (f"2-{5}", 2, 5),
            ("3-", 3, len(content) - 1),
            (f"4-{10**12}", 4, len(content) - 1),
        ):
            part = client.get(url, headers={"Range": f"bytes={wanted}"})
            assert (part.status_code, part.content) == (206, content[first : last + 1])
            assert part.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"
        assert client.get(url, headers={"Range": "bytes=-3"}).content == content[-3:]
        beyond = client.get(url, headers={"Range": f"bytes={len(content)}-{len(content) + 3}"})
        assert beyond.status_code == 416


@pytest.mark.slow
def test_meshes_have_all_levels_of_detail_and_skeletons_their_attributes(client: httpx.Client, folder: Path) -> None:
    assert client.get("/precomputed/seg/mesh/info").json()["@type"] == "neuroglancer_multilod_draco"
    volume = voxome.open(address(client, "seg"), expect=voxome.Volume)
    stored = voxome.open(f"precomputed://{folder}/seg", expect=voxome.Volume)
    for lod in (0, 1):
        assert_array_equal(volume.mesh(ID, lod=lod).vertices_nm, stored.mesh(ID, lod=lod).vertices_nm)
    assert_array_equal(volume.skeleton(7).attributes["weight"].ravel(), [1, 2])


def address(client: httpx.Client, name: str) -> str:
    return f"precomputed://{str(client.base_url).rstrip('/')}/precomputed/{name}"


@pytest.mark.slow
def test_a_collection_answers_as_the_stored_one(client: httpx.Client, folder: Path) -> None:
    served = voxome.open(
        f"precomputed://{str(client.base_url).rstrip('/')}/precomputed/lab/synapses", expect=voxome.Points
    )
    stored = voxome.open(f"precomputed://{folder}/synapses", expect=voxome.Points)
    for one, other in (
        (served.within((0, 0, 0), (900, 900, 900)), stored.within((0, 0, 0), (900, 900, 900))),
        (served.related("pre", ID), stored.related("pre", ID)),
        (served.get([3, 900]), stored.get([3, 900])),
    ):
        assert len(one) > 1
        assert_array_equal(np.sort(one.ids), np.sort(other.ids))


@pytest.mark.parametrize(
    "path",
    [
        "lab/synapses/nothing", "lab/synapses/by_id/x", "lab/synapses/", "lab/synapses", "lab/synapses/by_id",
        f"lab/synapses/{'9' * 5000}", "lab/synapses/a//b", "lab/synapses/..%2fseg%2finfo", "seg/mesh/../info2",
        "seg/mesh", "lab/info",
    ],
)  # fmt: skip
def test_there_are_no_other_files(client: httpx.Client, path: str) -> None:
    assert client.get(f"/precomputed/{path}").status_code == 404


def test_readers_are_named_for_each_collection(client: httpx.Client) -> None:
    url = "/precomputed/secret/info"
    assert [client.get(url, headers=one).status_code for one in ({}, as_user("bob"), as_user("ann"))] == [401, 403, 200]
    private = client.get(url, headers=as_user("ann"))
    assert private.headers["cache-control"].startswith("private")
    assert client.get("/precomputed/gone/info").status_code == 503

    def layers(name: str | None) -> dict[str, object]:
        query = "?layer=seg&layer=lab/synapses&layer=secret"
        state = client.get(f"/view/state{query}", headers=as_user(name) if name else {})
        assert state.status_code == 200
        assert state.headers.get("x-voxome-refused", "") == ("" if name == "ann" else "secret")
        return {one["name"]: one.get("linkedSegmentationLayer") for one in state.json().get("layers", [])}

    linked = {"post": "seg", "pre": "seg"}
    assert layers("ann") == {"seg": None, "lab/synapses": linked, "secret": linked}
    assert layers("bob") == layers(None) == {"seg": None, "lab/synapses": linked}
    only = "/view/state?layer=secret"
    assert [client.get(only, headers=one).status_code for one in ({}, as_user("bob"))] == [401, 403]


@pytest.mark.slow
def test_edits_beside_the_indices_are_an_error_until_they_are_in_them(tmp_path: Path) -> None:
    voxome.create_annotations(f"precomputed://{tmp_path}/points", synapses(), voxel_size_nm=(1, 1, 1))
    collections = Collections()
    collections.add("points", f"precomputed://{tmp_path}/points")
    with serving(Sources(), ["precomputed"], collections=collections) as url:
        info = f"{url}/precomputed/points/info"
        assert httpx.get(info).status_code == 200
        points = voxome.open(f"precomputed://{tmp_path}/points", expect=voxome.Points, mode="r+")
        points.delete([1])
        answer = httpx.get(info)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "--fold" in answer.json()["message"]
        assert str(tmp_path) not in answer.text
        points.fold()
        assert httpx.get(info).status_code == 200
