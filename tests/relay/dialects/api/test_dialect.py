"""The JSON API over a socket: voxels, ids as strings, rights, limits, and its OpenAPI document."""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.serving import as_user, pyramid, serving, stored

import voxome
from voxome.contracts.shapes import Mesh, Skeleton
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

IDS = (720575940602398473, 2**63 + 1, 2**64 - 2)
SHAPE = (20, 30, 40)
DIALECTS = ("api", "precomputed", "raw", "s3", "view", "zarr", "zarr3")
RAW = noise((8, 16, 20), "uint8")


def labels() -> np.ndarray:
    voxels = np.zeros(SHAPE, "uint64")
    voxels[2:5, 3:9, 1:4], voxels[10:], voxels[0, 0, 0] = IDS
    return voxels


class WithShapes:
    """A volume with a mesh and a skeleton of one segment."""

    def __init__(self) -> None:
        self.spec = voxome.VolumeSpec.of((2, 2, 2), "uint64", kind="labels")

    def read(self, box: voxome.Box) -> np.ndarray:
        return np.zeros(box.shape, "uint64")

    def mesh(self, id: int, lod: int = 0) -> Mesh:
        return Mesh(np.eye(3, dtype="float32"), np.array([[0, 1, 2]], "uint32"))

    def skeleton(self, id: int) -> Skeleton:
        return Skeleton(np.zeros((2, 3)), np.array([[0, 1]]), np.array([1.5, np.nan]))

    def ids(self) -> np.ndarray:
        return np.array([7], "uint64")


class Slow:
    """Labels that take long to read; counts reads."""

    def __init__(self) -> None:
        self.spec = voxome.VolumeSpec.of((400, 512, 512), "uint64", kind="labels", chunk=(2, 512, 512))
        self.reads, self.has_begun = 0, threading.Event()

    def read(self, box: voxome.Box) -> np.ndarray:
        self.reads += 1
        self.has_begun.set()
        time.sleep(0.05)
        return np.zeros(box.shape, "uint64")


SLOW = Slow()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    sources = Sources()
    sources.add("lab/seg", stored(labels(), kind="labels", voxel_size_nm=(40, 4, 4), offset_nm=(100, 0, 0)))
    sources.add("em", pyramid(f"zarr://{tmp_path_factory.mktemp('api')}/em.zarr", RAW, voxel_size_nm=(40, 4, 4)))
    sources.add("private", stored(labels(), kind="labels"), Rights(readers=frozenset({"lab"})))
    sources.add("shapes", WithShapes())
    sources.add("broken", "memory://absent")
    sources.add("slow", SLOW)
    with serving(sources, DIALECTS, members={"ann": "lab", "eve": None}, allow_origins=["*"]) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with closing(httpx.Client(base_url=f"{url}/api", timeout=30)) as client:
        yield client


def get(client: httpx.Client, path: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.slow
def test_sources_are_described_with_their_addresses(client: httpx.Client, url: str) -> None:
    assert "private" not in get(client, "/sources")["sources"]
    described = get(client, "/source", source="em")
    assert [one["stop"] for one in described["levels"]] == [[8, 16, 20], [8, 8, 10]]
    assert [one["voxel_size_nm"] for one in described["levels"]] == [[40, 4, 4], [40, 8, 8]]
    assert (described["dtype"], described["kind"], described["writable"]) == ("uint8", "image", False)
    for api, file in {
        "precomputed": "/info",
        "zarr": "/.zattrs",
        "zarr3": "/zarr.json",
        "raw": "/info",
        "view": "",
    }.items():
        address = f"{url}/{described['addresses'][api]}{file}"
        assert httpx.get(address, follow_redirects=True).status_code == 200, address


@pytest.mark.slow
def test_cutouts_are_npy_or_raw_with_ranges_and_validators(client: httpx.Client) -> None:
    query = {"source": "em", "box": "1:3,2:10,3:7"}
    expected = RAW[1:3, 2:10, 3:7]
    answer = client.get("/cutout", params=query)
    assert_array_equal(np.load(io.BytesIO(answer.content)), expected)
    raw = client.get("/cutout", params=query | {"format": "raw"}, headers={"Range": "bytes=8-15"})
    assert (raw.status_code, raw.content) == (206, expected.tobytes()[8:16])
    kept = client.get("/cutout", params=query, headers={"If-None-Match": answer.headers["etag"]})
    assert kept.status_code == 304
    coarse = client.get("/cutout", params={"source": "em", "box": "0:8,0:8,0:10", "level": 1, "format": "raw"})
    assert coarse.content == RAW[:, ::2, ::2].tobytes()


def test_ids_are_strings(client: httpx.Client) -> None:
    assert get(client, "/ids", source="lab/seg", box="0:20,0:30,0:40") == {"ids": [str(id) for id in IDS]}
    box = get(client, "/bounding-box", source="lab/seg", id=str(IDS[0]))
    assert box == {"id": str(IDS[0]), "level": 0, "start": [2, 3, 1], "stop": [5, 9, 4]}
    part = get(client, "/bounding-box", source="lab/seg", id=str(IDS[1]), box="0:12,5:30,0:40")
    assert (part["start"], part["stop"]) == ([10, 5, 0], [12, 30, 40])


def test_a_region_is_measured(client: httpx.Client) -> None:
    region = get(client, "/region", source="lab/seg", id=str(IDS[0]))
    places = np.argwhere(labels() == IDS[0])
    assert region["voxels"] == len(places)
    assert_array_equal(region["centroid"], places.mean(axis=0))
    assert_array_equal(region["centroid_nm"], places.mean(axis=0) * (40, 4, 4) + (100, 0, 0))
    assert region["volume_um3"] == pytest.approx(len(places) * 640e-9)
    assert get(client, "/region", source="private", id="1", status=401)["message"]


def test_stored_shapes_are_sent(client: httpx.Client) -> None:
    mesh = get(client, "/mesh", source="shapes", id="7")
    assert (mesh["vertices_nm"], mesh["faces"]) == (np.eye(3).tolist(), [[0, 1, 2]])
    assert get(client, "/skeleton", source="shapes", id="7")["radii_nm"] == [1.5, None]
    assert "has no meshes" in get(client, "/mesh", source="em", id="7", status=404)["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/cutout?source=em", 400),
        ("/cutout?source=em&box=0:1,0:1", 400),
        ("/cutout?source=em&box=0:99,0:1,0:1", 400),
        ("/cutout?source=em&box=5:1,0:1,0:1", 400),
        ("/cutout?source=em&box=0:1,0:1,0:1&level=7", 404),
        ("/cutout?source=em&box=0:1,0:1,0:1&level=-1", 400),
        ("/cutout?source=em&box=0:1,0:1,0:1&level=%D9%A1", 400),
        ("/cutout?source=em&box=0:1,0:1,0:1&format=png", 400),
        ("/cutout?source=em&source=em&box=0:1,0:1,0:1", 400),
        ("/cutout?source=em&box=0:1,0:1,0:1&token=x", 400),
        ("/cutout?source=absent&box=0:1,0:1,0:1", 404),
        ("/cutout?source=broken&box=0:1,0:1,0:1", 503),
        ("/cutout?source=private&box=0:1,0:1,0:1", 401),
        ("/source?source=%00", 404),
        ("/ids?source=em&box=0:1,0:1,0:1", 400),
        ("/ids?source=slow&box=0:400,0:512,0:512", 413),
        ("/region?source=lab/seg&id=18446744073709551616", 400),
        ("/region?source=lab/seg&id=-1", 400),
        ("/region?source=lab/seg&id=5", 404),
        ("/nothing", 404),
    ],
)
def test_what_cannot_be_answered_is_explained(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path, headers={"Origin": "https://x.test"})
    assert answer.status_code == status, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    if path != "/nothing":
        assert answer.json()["message"]
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("/cutout?source=em&box=a", "box: expected text such as 0:64,0:64,0:64; parameters: "),
        ("/region?source=lab/seg&id=1&box=a", "box: expected text such as 0:64,0:64,0:64; parameters: "),
        ("/region?source=lab/seg&id=x", "id: expected text such as 720575940602398473; parameters: "),
        ("/annotations?collection=a", "give one of ids, box_nm and segment; parameters: "),
        ("/cutout?source=em&box=0:5", "the box '0:5' has 1 range, needs 3: one for each axis, inside 0:"),
    ],
)
def test_a_wrong_parameter_is_answered_with_an_example(client: httpx.Client, query: str, problem: str) -> None:
    answer = client.get(query)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(problem)


def test_ends_of_a_box_that_are_left_out_are_those_of_the_level(client: httpx.Client) -> None:
    for box in (":,2:,:", "0:,2:30,:40"):
        assert get(client, "/ids", source="lab/seg", box=box) == get(
            client, "/ids", source="lab/seg", box="0:20,2:30,0:40"
        )


def test_who_has_no_right_gets_nothing(client: httpx.Client) -> None:
    for path in ("/source?", "/cutout?box=0:1,0:1,0:1&", "/ids?box=0:1,0:1,0:1&", "/region?id=1&", "/mesh?id=1&"):
        assert client.get(f"{path}source=private").status_code == 401
        assert client.get(f"{path}source=private", headers=as_user("eve")).status_code == 403
        assert client.get(f"{path}source=private", headers={"Authorization": "Bearer x"}).status_code == 401
    answer = client.get("/cutout?box=0:1,0:1,0:1&source=private", headers=as_user("ann"))
    assert answer.status_code == 200
    assert "Authorization" in answer.headers["vary"]
    assert answer.headers["cache-control"].startswith("private")


@pytest.mark.slow
def test_a_look_up_ends_when_its_client_leaves_and_holds_up_no_cutout(url: str) -> None:
    parts = urlsplit(url)
    with ExitStack() as stack:
        for _ in range(6):
            one = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            one.sendall(b"GET /api/region?source=slow&id=7 HTTP/1.1\r\nHost: relay\r\n\r\n")
        assert SLOW.has_begun.wait(100)
        assert httpx.get(f"{url}/api/cutout?source=em&box=0:1,0:1,0:1", timeout=60).status_code == 200
        assert SLOW.reads < 6 * 100  # the look-ups have not ended
    reads = -1
    while reads != SLOW.reads:
        reads = SLOW.reads
        time.sleep(0.5)
    assert reads < 6 * 100


@pytest.mark.slow
def test_answers_are_as_the_document_says(client: httpx.Client, url: str) -> None:
    document = get(client, "/openapi.json")
    assert document["openapi"] == "3.1.0"
    for path, query in {
        "/sources": {},
        "/source": {"source": "em"},
        "/ids": {"source": "lab/seg", "box": "0:20,0:30,0:40"},
        "/bounding-box": {"source": "lab/seg", "id": str(IDS[0])},
        "/region": {"source": "lab/seg", "id": str(IDS[0])},
        "/mesh": {"source": "shapes", "id": "7"},
        "/skeleton": {"source": "shapes", "id": "7"},
    }.items():
        operation = document["paths"][f"/api{path}"]["get"]
        assert set(query) <= {one["name"] for one in operation["parameters"]}
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(get(client, path, **query), {**schema, "components": document["components"]})
    assert document["components"]["schemas"]["Ids"]["properties"]["ids"]["items"]["type"] == "string"
    page = httpx.get(f"{url}/api").text
    assert all(path in page for path in document["paths"])
    assert not re.search(r"(src|href)=\"(https?:)?//", page)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="runs Node")
def test_a_program_in_javascript_keeps_ids(url: str, tmp_path: Path) -> None:
    program = tmp_path / "ids.mjs"
    program.write_text(
        """
        const base = process.argv[2];
        const document = await (await fetch(`${base}/api/openapi.json`)).json();
        const call = async (operationId, query) => {
          const [path] = Object.entries(document.paths).find(([, methods]) => methods.get.operationId === operationId);
          const answer = await fetch(`${base}${path}?${new URLSearchParams(query)}`);
          if (!answer.ok) throw new Error((await answer.json()).message);
          return answer.json();
        };
        const { ids } = await call("list_ids", { source: "lab/seg", box: "0:20,0:30,0:40" });
        const regions = await Promise.all(ids.map((id) => call("measure_region", { source: "lab/seg", id })));
        console.log(JSON.stringify(regions.map((region) => region.id)));
        """
    )
    ran = subprocess.run(["node", str(program), url], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ran.stdout) == [str(id) for id in IDS]
