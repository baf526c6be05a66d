"""The raw dialect over a socket: JSON, npy, rights and limits."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.relay.accounts import Accounts, Membership, Token, User
from voxome.relay.app import create_app
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.raw import RawDialect
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.serve import in_thread
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

SHAPE = (5, 60, 70)
DATA = noise(SHAPE, "uint16")
LIMIT = 2**16


def encode(data: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, data)
    return stream.getvalue()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of four sources over one volume, with the users bob, of the group lab, and eve."""
    volume = f"memory://{uuid4().hex}"
    spec = voxome.VolumeSpec.of(SHAPE, "uint16", start=(1, 2, 3), voxel_size_nm=(40, 4, 4), kind="labels")
    voxome.create(volume, spec)[:] = DATA
    sources, lab = Sources(), frozenset({"lab"})
    sources.add("em/raw", volume)
    sources.add("private", volume, Rights(readers=lab))
    sources.add("missing", "memory://secret")
    sources.add("shared", volume.replace("memory://", "memory://copy-"), Rights(writers=lab))
    voxome.create(volume.replace("memory://", "memory://copy-"), spec)
    catalogue = MemoryCatalogue()
    users = [User(name=name) for name in ("bob", "eve")]
    tokens = [Token(digest=digest(f"{user.name}-token"), user=user.name) for user in users]
    catalogue.write(add=[*users, *tokens, Membership(group="lab", user="bob", rank="member")])
    relay = Relay(catalogue, Accounts(catalogue), "memory://unused", sources, LIMIT)
    with in_thread(create_app([RawDialect(relay)])) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with closing(httpx.Client(base_url=url)) as client:
        yield client


def as_user(name: str) -> dict[str, str]:
    return {"Authorization": f"Token {name}-token"}


def test_info_and_cutout(client: httpx.Client) -> None:
    assert client.get("/raw/em/raw/info").json() == {
        "name": "em/raw", "levels": 1, "axes": ["z", "y", "x"], "start": [1, 2, 3], "stop": [6, 62, 73],
        "dtype": "uint16", "kind": "labels", "voxel_size_nm": [40, 4, 4], "offset_nm": [0, 0, 0],
    }  # fmt: skip
    answer = client.get("/raw/em/raw/cutout", params={"box": "1:3,10:20,30:33"})
    assert answer.headers["content-type"] == "application/x-npy"
    assert_array_equal(np.load(io.BytesIO(answer.content)), DATA[0:2, 8:18, 27:30])


def test_only_readable_sources_are_listed(client: httpx.Client) -> None:
    for headers, expected in (
        ({}, ["em/raw", "missing", "shared"]),
        (as_user("eve"), ["em/raw", "missing", "shared"]),
        (as_user("bob"), ["em/raw", "missing", "private", "shared"]),
    ):
        assert client.get("/raw", headers=headers).json() == {"sources": expected}


def test_rights_decide_who_reads_and_writes(client: httpx.Client) -> None:
    body, query = encode(np.ones((1, 1, 2), "uint16")), {"box": "1:2,2:3,3:5"}
    for path, method in (("private", "GET"), ("shared", "PUT")):
        statuses = [
            client.request(method, f"/raw/{path}/cutout", params=query, content=body, headers=headers).status_code
            for headers in ({}, {"Authorization": "Token wrong"}, as_user("eve"), as_user("bob"))
        ]
        assert statuses == ([401, 401, 403, 200] if method == "GET" else [401, 401, 403, 204])
    assert client.put("/raw/shared/cutout", params=query).headers["www-authenticate"] == "Token"
    read = client.get("/raw/shared/cutout", params={"box": "1:2,2:3,3:6"})
    assert np.load(io.BytesIO(read.content)).tolist() == [[[1, 1, 0]]]
    assert client.put("/raw/em/raw/cutout", params=query, content=body, headers=as_user("bob")).status_code == 403


def test_ends_of_a_box_that_are_left_out_are_those_of_the_level(client: httpx.Client) -> None:
    whole = client.get("/raw/shared/cutout?box=:,:,:").content
    spec = client.get("/raw/shared/info").json()
    box = ",".join(f"{start}:{stop}" for start, stop in zip(spec["start"], spec["stop"], strict=True))
    assert client.get("/raw/shared/cutout", params={"box": box}).content == whole
    assert "has 1 range, needs 3" in client.get("/raw/shared/cutout?box=0:5").json()["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("none/info", 404),
        ("em/raw/info?level=1", 404),
        ("em/raw/info?level=x", 400),
        ("em/raw/info?level=0000000001", 400),
        (f"em/raw/info?level={'0' * 5000}", 400),
        ("em/raw/cutout", 400),
        ("em/raw/cutout?box=1:2", 400),
        ("em/raw/cutout?box=0:2,2:3,3:4", 400),
        ("em/raw/cutout?box=a:2,2:3,3:4", 400),
        ("em/raw/cutout?box=1:6,2:62,3:73&level=1", 404),
        ("em/raw/cutout?box=1:1000,2:62,3:1000", 413),
        ("em/raw/cutout?box=1:2,2:3,3:4&levl=1", 400),
        ("em/raw/info?levl=1", 400),
        ("em/raw", 404),
        ("em/raw/../../x/info", 404),
    ],
)
def test_wrong_requests_get_the_status_of_the_error(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(f"/raw/{path}").status_code == status


def test_a_source_that_fails_is_named_without_its_address(client: httpx.Client) -> None:
    answer = client.get("/raw/missing/info")
    assert answer.status_code == 503
    assert "missing" in answer.json()["message"]
    assert "secret" not in answer.text


def test_bodies_that_do_not_fit_are_refused(client: httpx.Client) -> None:
    fits = encode(np.ones((1, 1, 2), "uint16"))
    large = io.BytesIO()
    np.lib.format.write_array_header_1_0(large, {"descr": "<u2", "fortran_order": False, "shape": (10**6,) * 3})
    other_shape, other_dtype = encode(np.ones((2, 1, 1), "uint16")), encode(np.ones((1, 1, 2), "uint8"))
    bodies = dict.fromkeys(
        (b"", b"x" * 100, fits[:-1], fits + b"x", large.getvalue(), other_shape, other_dtype), 400
    ) | {bytes(LIMIT + 2**13): 413}
    for body, status in bodies.items():
        answer = client.put("/raw/shared/cutout?box=1:2,2:3,6:8", content=body, headers=as_user("bob"))
        assert answer.status_code == status, answer.text
    query = {"box": "1:2,2:3,6:8", "level": "1"}
    answer = client.put("/raw/shared/cutout", params=query, content=fits, headers=as_user("bob"))
    assert answer.status_code == 400
    assert "Unknown parameter 'level'" in answer.json()["message"]
    read = client.get("/raw/shared/cutout", params={"box": "1:2,2:3,6:8"})
    assert not np.load(io.BytesIO(read.content)).any()


def test_fortran_order_is_read_too(client: httpx.Client) -> None:
    data = np.asfortranarray(np.arange(24, dtype="uint16").reshape(2, 3, 4))
    client.put("/raw/shared/cutout?box=2:4,10:13,10:14", content=encode(data), headers=as_user("bob"))
    read = client.get("/raw/shared/cutout?box=2:4,10:13,10:14")
    assert_array_equal(np.load(io.BytesIO(read.content)), data)


def test_who_may_not_write_is_refused_before_the_body_is_read(client: httpx.Client) -> None:
    sent = []

    def parts() -> Iterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield bytes(2**16)

    path = "/raw/shared/cutout?box=1:2,2:3,3:4"
    headers = {"Content-Length": str(1000 * 2**16)}
    assert client.put(path, content=parts(), headers=headers).status_code == 401
    assert client.put(path, content=parts(), headers=headers | as_user("eve")).status_code == 403
    assert client.put(path, content=parts(), headers=headers | as_user("bob")).status_code == 413
    assert client.put(path, content=parts(), headers=as_user("bob")).status_code == 413
    assert len(sent) < 2000


def test_no_cache_gives_an_answer_to_another_caller(url: str) -> None:
    for path in ("/raw", "/raw/em/raw/info", "/raw/em/raw/cutout?box=1:2,2:3,3:4", "/raw/none/info"):
        headers = httpx.get(f"{url}{path}").headers
        assert headers["cache-control"] == "no-store"
        assert path.endswith("none/info") or {"Authorization", "Cookie"} <= set(headers["vary"].split(", "))
