"""Requests of strangers: none is a failure of the server, reads more than it may, or holds up others."""

from __future__ import annotations

import io
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from numcodecs import blosc
from relay.dialects.boss.client import Client
from standins.boss import Boss, serving

pytestmark = pytest.mark.slow

VOXELS = "/v1/cutout/col/exp/raw/0/0:8/0:8/0:8"
NPYGZ = {"Content-Type": "application/npygz"}


def npy(header: str) -> bytes:
    padded = header + " " * (63 - (len(header) + 10) % 64) + "\n"
    return zlib.compress(b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode())


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    return zlib.compress(stream.getvalue())


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
TORN = "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8, 8"
WRONG: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "a channel without a collection": ("GET", "/v1/permissions/?channel=x", {}, 400),
    "an experiment without a collection": ("GET", "/v1/permissions/?experiment=x", {}, 400),
    "permissions on nothing": ("DELETE", "/v1/permissions/?group=admin", {}, 400),
    "zeros before a resolution": ("GET", VOXELS.replace("/0/", "/0000000007/", 1), {}, 400),
    "a resolution of 5000 digits": ("GET", VOXELS.replace("/0/", f"/{'0' * 5000}/", 1), {}, 400),
    "a range of 5000 digits": ("GET", VOXELS.replace("0:8", f"0:{'9' * 5000}"), {}, 400),
    "an id of 5000 digits": ("GET", f"/v1/boundingbox/col/exp/seg/0/{'0' * 5000}", {}, 400),
    "a tile of 5000 digits": ("GET", f"/v1/tile/col/exp/raw/xy/{'9' * 5000}/0/0/0/0", {}, 400),
    "ids of a filter with 5000 digits": (
        "GET",
        f"{VOXELS.replace('raw', 'seg')}?filter={'9' * 5000}",
        {},
        400,
    ),
    "a window that is none": ("GET", f"{VOXELS}?window=nan,1", {"headers": {"Accept": "image/jpeg"}}, 400),
    "a key of 300 letters": ("POST", f"/v1/meta/col?key={'k' * 300}&value=v", {}, 400),
    "a key with NUL": ("POST", "/v1/meta/col?key=%00&value=v", {}, 400),
    "deep JSON": ("POST", "/v1/collection/zz", {"content": b"[" * 200_000}, 400),
    "half a surrogate pair": ("POST", "/v1/collection/zz", {"content": b'{"description": "\\ud800"}'}, 400),
    "a password that is no text": ("POST", "/v1/sso/user/zz", {"content": b'{"password": "\\ud800"}'}, 400),
    "voxels of 1e300 nm": ("POST", "/v1/coord/zz", {"json": {f"{a}_voxel_size": 1e300 for a in "xyz"}}, 400),
    "a zip file": ("POST", VOXELS, {"content": zlib.compress(b"PK\x03\x04xx"), "headers": NPYGZ}, 404),
    "an npz file": ("POST", VOXELS, {"content": npz(), "headers": NPYGZ}, 404),
    "an array of a terabyte": ("POST", VOXELS, {"content": npy(HUGE), "headers": NPYGZ}, 400),
    "a torn header": ("POST", VOXELS, {"content": npy(TORN), "headers": NPYGZ}, 404),
}


@pytest.mark.parametrize("what", WRONG)
def test_nothing_that_is_sent_is_a_failure_of_the_server(admin: Client, what: str) -> None:
    method, path, rest, status = WRONG[what]
    assert set(admin.request(method, path, status=status, **rest).json()) == {"status", "code", "message"}


@pytest.mark.parametrize("path", ["/v1/ingest/", "/v1/ingest/7", "/latest/ingest/7/status"])
def test_ingest_jobs_are_not_offered(admin: Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert "voxome transfer" in admin.request(method, path, status=501, code=2004).json()["message"]


def head(boss: Boss, method: str, path: str, *lines: str, within_s: float = 60) -> str:
    """Send the head of a request, but not its body; return the first status line that arrives in time."""
    with socket.create_connection(("127.0.0.1", int(boss.url.rpartition(":")[2]))) as one:
        one.settimeout(within_s)
        one.sendall("\r\n".join([f"{method} {path} HTTP/1.1", "Host: relay", *lines, "", ""]).encode())
        try:
            return one.recv(4096).decode().split("\r\n")[0]
        except TimeoutError:
            return ""


def test_a_body_is_read_only_if_the_caller_may_send_it(boss: Boss, admin: Client) -> None:
    large, small, expect = "Content-Length: 1500000000", "Content-Length: 100", "Expect: 100-continue"
    types = "Content-Type: application/blosc"
    own, stranger = (f"Authorization: Token {token}" for token in (boss.token, boss.add_user("stranger")))
    assert " 413 " in head(boss, "GET", "/v1/cutout/no/such/one/0/0:1/0:1/0:1", large)
    for size in (large, small):
        assert " 401 " in head(boss, "POST", VOXELS, types, size)
        assert " 403 " in head(boss, "POST", VOXELS, types, size, stranger)
        assert " 403 " in head(boss, "POST", VOXELS, types, size, stranger, expect)
        assert " 400 " in head(boss, "POST", VOXELS.replace("0:8", "8:0"), types, size, own)
        assert " 404 " in head(boss, "POST", VOXELS.replace("raw", "none"), types, size, own, expect)
        assert " 415 " in head(boss, "POST", VOXELS, "Content-Type: image/jpeg", size, own)
    assert " 413 " in head(boss, "POST", VOXELS, types, large, own, expect)
    assert head(boss, "POST", VOXELS, types, small, own, within_s=1) == ""
    assert " 100 " in head(boss, "POST", VOXELS, types, small, own, expect)


def test_a_client_may_wait_for_leave_to_send(admin: Client) -> None:
    data = np.full((8, 8, 8), 3, "uint8")
    headers = {"Content-Type": "application/blosc", "Expect": "100-continue"}
    admin.request("POST", VOXELS, content=blosc.compress(data, b"lz4", 1), headers=headers, status=201)
    assert (admin.read("raw/0/0:8/0:8/0:8", "uint8", (8, 8, 8)) == 3).all()


@pytest.mark.parametrize("path", ["/v1/ids/col/exp/seg/0/0:130/0:70/0:21", "/v1/boundingbox/col/exp/seg/0/7"])
def test_a_look_up_ends_when_its_client_leaves(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.relay.dialects.boss.labels._grouped", lambda chunk: (1, 1, 8, 8))
    with serving() as boss:
        admin = Client(boss.url, boss.token)
        admin.project()
        admin.channel("raw")
        admin.channel("seg", "uint64", sources=["raw"])
        begun, blocks, read = Event(), [], boss.state.voxels.read

        def slow(pyramid: Any, level: int, box: Any) -> Any:
            begun.set()
            blocks.append(box)
            time.sleep(0.05)
            return read(pyramid, level, box)

        monkeypatch.setattr(boss.state.voxels, "read", slow)
        with socket.create_connection(("127.0.0.1", int(boss.url.rpartition(":")[2]))) as one:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: relay\r\nAuthorization: Token {boss.token}\r\n\r\n".encode())
            assert begun.wait(100)
        count = -1
        while count != len(blocks):
            count = len(blocks)
            time.sleep(0.5)
        assert count < 400  # of 3213
        admin.close()


def test_others_do_not_wait_for_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.relay.look_ups.MOST_WAITING", 8)
    with serving() as boss, closing(Client(boss.url, boss.token)) as admin, ThreadPoolExecutor(30) as threads:
        admin.project()
        admin.channel("raw")
        admin.channel("seg", "uint64", sources=["raw"])
        go, read = Event(), boss.state.voxels.read

        def held(pyramid: Any, level: int, box: Any) -> Any:
            if pyramid.channel.name == "seg":
                go.wait(100)
            return read(pyramid, level, box)

        monkeypatch.setattr(boss.state.voxels, "read", held)
        path = f"{boss.url}/v1/ids/col/exp/seg/0/0:130/0:70/0:21"
        look_ups = [threads.submit(httpx.get, path, headers=boss.headers(), timeout=30) for _ in range(30)]
        while not any(one.done() for one in look_ups):  # refused, as all the others wait
            time.sleep(0.05)
        assert not admin.read("raw/0/0:8/0:8/0:8", "uint8", (8, 8, 8)).any()
        assert admin.get("/v1/collection/") == {"collections": ["col"]}
        assert not go.is_set()
        refused = admin.request("GET", "/v1/ids/col/exp/seg/0/0:130/0:70/0:21", status=503, code=9002)
        assert refused.headers["retry-after"] == "1"
        go.set()
        assert {one.result().status_code for one in look_ups} == {200, 503}


def test_look_ups_are_bounded_before_any_voxel_is_read(admin: Client, boss: Boss) -> None:
    frame = {f"{a}_start": 0 for a in "xyz"} | {"x_stop": 200_000, "y_stop": 200_000, "z_stop": 20_000}
    admin.request("POST", "/v1/coord/big", json=frame | {f"{a}_voxel_size": 1 for a in "xyz"}, status=201)
    admin.request("POST", "/v1/collection/col/experiment/big", json={"coord_frame": "big"}, status=201)
    channels = "/v1/collection/col/experiment/big/channel"
    admin.request("POST", f"{channels}/raw", json={"type": "image", "datatype": "uint8"}, status=201)
    labels = {"type": "annotation", "datatype": "uint64", "sources": ["raw"]}
    admin.request("POST", f"{channels}/seg", json=labels, status=201)
    for path in ("boundingbox/col/big/seg/0/7", "ids/col/big/seg/0/0:200000/0:200000/0:20000"):
        admin.request("GET", f"/v1/{path}", status=413, code=2000)
    whole = "/v1/cutout/to_black/col/big/seg/0/0:200000/0:200000/0:20000"
    admin.request("PUT", whole, status=413, code=2000)


def test_private_answers_are_kept_by_no_shared_cache(admin: Client, boss: Boss) -> None:
    nobody = Client(boss.url, None)
    for client, path, status in (
        (admin, "/v1/collection/", 200), (admin, VOXELS, 200), (nobody, VOXELS, 401), (admin, "/v1/coord/none", 404),
    ):  # fmt: skip
        headers = client.request("GET", path, status=status).headers
        assert headers["cache-control"] in ("private, no-cache", "no-store")
        assert {"Authorization", "Cookie"} <= set(headers["vary"].split(", "))
        assert ("www-authenticate" in headers) == (status == 401)
    nobody.close()
