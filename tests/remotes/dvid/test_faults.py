"""Server and network failures during transfers of voxels: retried or reported, never wrong voxels."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from remotes.dvid.recorded import ROOT
from standins.dvid import serving
from standins.faulty_proxy import Alter, Answer, Cut, Fault, FaultyProxy, Stall

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, CorruptData, InvalidInput, StoreError, VoxomeError
from voxome.remotes import http
from voxome.remotes.dvid import labelmap, volumes
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.node import DvidApi, Node

pytestmark = pytest.mark.slow

SHAPE = (40, 48, 50)
BUSY = Answer(503, b"Server already running 1 throttled operations (max = 1)\n")
PAGE = b"<html>welcome to the wifi of this hotel</html>"
Voxels = NDArray[np.generic]


@dataclass
class Peer:
    """DVID server with a volume, reached through a proxy at `uri`, or directly at `url`."""

    proxy: FaultyProxy
    url: str
    uri: str
    data: Voxels

    def stored(self) -> Voxels:
        """Return the voxels on the server, without the client under test."""
        z, y, x = SHAPE
        answer = httpx.get(f"{self.url}/api/node/{ROOT}/v/raw/0_1_2/{x}_{y}_{z}/0_0_0").raise_for_status()
        return np.frombuffer(answer.content, self.data.dtype).reshape(SHAPE)


@pytest.fixture(params=["uint8", "labels"])
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    for module, name in ((http, "FIRST_DELAY_S"), (volumes, "DELAY_S"), (labelmap, "DELAY_S")):
        monkeypatch.setattr(module, name, 0.001)
    monkeypatch.setenv("VOXOME_DVID_REQUEST_VOXELS", str(32**3))
    is_labels = request.param == "labels"
    coarse = np.random.default_rng(0).integers(1, 60, [-(-n // 6) for n in SHAPE])
    whole = coarse.repeat(6, 0).repeat(6, 1).repeat(6, 2)[tuple(map(slice, SHAPE))]
    data: Voxels = whole.astype("uint64" if is_labels else "uint8")
    spec = VolumeSpec.of(SHAPE, data.dtype, chunk=(32, 32, 32), kind="labels" if is_labels else "image")
    with serving("secret") as url, FaultyProxy(url) as proxy:
        httpx.post(f"{url}/api/repos?admintoken=secret", json={"root": ROOT}).raise_for_status()
        uri = f"dvid://{proxy.url.removeprefix('http://')}/{ROOT}/v"
        voxome.create(uri, spec)[...] = data
        proxy.reset()
        yield Peer(proxy, url, uri, data)


FAILURES = [Answer(429), BUSY, Answer(500, b"a panic"), Answer(502), Answer(504), Cut(), Cut(9), Cut(9, reaches=True)]


@pytest.mark.parametrize("fault", FAILURES)
def test_reads_are_retried(peer: Peer, fault: Fault) -> None:
    source = voxome.open(peer.uri)
    peer.proxy.script("GET .*(raw|blocks)", fault, fault, None, fault)
    assert_array_equal(source[...], peer.data)
    assert sum(request.fault == fault for request in peer.proxy.seen) == 3


@pytest.mark.parametrize("fault", [Answer(500, b"a panic"), Answer(403, b"no way"), Cut(), Cut(9)])
def test_an_error_names_the_server_that_keeps_failing(peer: Peer, fault: Fault) -> None:
    source = voxome.open(peer.uri)
    peer.proxy.chance(1, fault, seed=0)
    with pytest.raises(VoxomeError, match=rf"GET {peer.proxy.url}/api/node/{ROOT}/v/") as caught:
        source[...]
    if isinstance(fault, Answer):
        assert f"answered {fault.status}: {fault.body.decode()}" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1],
        lambda body: body[: len(body) // 2],
        lambda body: body + b"more",
        lambda body: PAGE,
        lambda body: b"\0" * 20,
        lambda body: b"can't read a block (/api/node/x/v/blocks).\n",
        lambda body: body + body[:20],
    ],
)
def test_malformed_bodies_are_refused(peer: Peer, change: Callable[[bytes], bytes]) -> None:
    source = voxome.open(peer.uri)
    peer.proxy.chance(1, Alter(change), seed=0, target="raw|blocks")
    with pytest.raises(CorruptData, match="dvid://"):
        source[...]


def test_an_empty_body_is_not_decoded_as_voxels(peer: Peer) -> None:
    source = voxome.open(peer.uri)
    peer.proxy.chance(1, Alter(lambda body: b""), seed=0, target="raw")
    if peer.data.dtype == np.uint8:
        with pytest.raises(CorruptData, match="sent 0 bytes"):
            source[...]


def test_a_truncated_gzip_body_is_refused(peer: Peer) -> None:
    def cut(body: bytes) -> bytes:
        return gzip.compress(body)[:-9]

    source = voxome.open(peer.uri)
    z, y, x = SHAPE
    body = httpx.get(f"{peer.url}/api/node/{ROOT}/v/raw/0_1_2/{x}_{y}_{z}/0_0_0").content
    peer.proxy.chance(1, Answer(200, cut(body), {"Content-Encoding": "gzip"}), seed=0, target="raw|blocks")
    with pytest.raises(StoreError, match="ends early"):
        source[...]


def test_a_silent_server_times_out(peer: Peer) -> None:
    node = Node(DvidApi(peer.proxy.url, timeout_s=0.2, retries=1), ROOT)
    peer.proxy.chance(1, Stall(), seed=0)
    with pytest.raises(StoreError, match=r"no response within 0.2 s \(after 2 attempts\)"):
        node.get("v", "info")


@pytest.mark.parametrize("fault", [*FAILURES, Cut(None, reaches=True), Cut(0, reaches=True)])
def test_writes_are_retried(peer: Peer, fault: Fault) -> None:
    expected = peer.data.copy()
    expected[3:39, 5:40, 7:] = expected[3:39, 5:40, 7:][::-1] // 2
    peer.proxy.script("POST .*(raw|blocks)", fault, None, fault)
    target = voxome.open(peer.uri, mode="r+")
    target[3:39, 5:40, 7:] = expected[3:39, 5:40, 7:]
    assert_array_equal(peer.stored(), expected)
    _check_index(peer, expected)


def test_new_labels_are_counted_once_however_often_they_are_sent(peer: Peer) -> None:
    spec = voxome.open(peer.uri).spec
    uri = peer.uri.replace("/v", "/w")
    target = voxome.create(uri, spec)
    peer.proxy.script("POST .*(raw|blocks)", Cut(None, reaches=True), Cut(None), Answer(500), None)
    target[...] = peer.data
    assert_array_equal(voxome.open(uri)[...], peer.data)
    _check_index(peer, peer.data, "w")


def test_repeating_a_failed_write_completes_it(peer: Peer) -> None:
    expected = peer.data[::-1].copy()
    target = voxome.open(peer.uri, mode="r+")
    peer.proxy.script("POST .*(raw|blocks)", None, *[Answer(500, b"disk full")] * 999)
    with pytest.raises(StoreError, match="answered 500: disk full"):
        target[...] = expected
    peer.proxy.reset()
    target[...] = expected
    assert_array_equal(peer.stored(), expected)
    _check_index(peer, expected)


def test_random_failures_do_no_harm(peer: Peer) -> None:
    source = voxome.open(peer.uri, mode="r+")
    for seed, fault in enumerate((Answer(503), Cut(50), Answer(500), Cut(None, reaches=True))):
        peer.proxy.chance(0.05, fault, seed=seed, target="raw|blocks")
    for _ in range(3):
        source[1:39] = peer.data[1:39]
        assert_array_equal(source[...], peer.data)
    _check_index(peer, peer.data)


def test_an_error_keeps_the_message_of_the_server(peer: Peer) -> None:
    source = voxome.open(peer.uri)
    peer.proxy.script("raw|blocks", Answer(400, b"something odd (/api/node/x/v/raw)."))
    with pytest.raises(InvalidInput, match=r"answered 400: something odd$") as caught:
        source[...]
    assert caught.value.status == 400


def test_a_token_is_sent_to_its_own_server_only(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_HOST", peer.proxy.url)
    monkeypatch.setenv("VOXOME_DVID_TOKEN", "not-for-others")
    with FaultyProxy() as other:
        other.chance(1, Answer(200, b"{}"), seed=0)
        peer.proxy.script("info", Answer(302, b"", {"Location": f"{other.url}/login"}))
        with pytest.raises(CorruptData):
            voxome.open(peer.uri)
        assert peer.proxy.seen[-1].headers["Authorization"] == "Bearer not-for-others"
        assert "authorization" not in {name.lower() for name in other.seen[-1].headers}
        peer.proxy.script("merge", Answer(307, b"", {"Location": f"{other.url}/login"}))
        peer.proxy.script("sizes", Answer(200, b"[1, 1]"))
        seen = len(other.seen)
        with pytest.raises(StoreError, match="answered 307"):
            Labels(Node(DvidApi(peer.proxy.url), ROOT), "v").merge(1, [2])
        assert len(other.seen) == seen
    peer.proxy.script("info", Answer(401, b"who are you, not-for-others?"))
    with pytest.raises(AccessDenied) as caught:
        voxome.open(peer.uri)
    assert "not-for-others" not in str(caught.value)


def _check_index(peer: Peer, expected: Voxels, name: str = "v") -> None:
    """Check that the server counts the voxels of labels as numpy does."""
    if expected.dtype == np.uint64:
        ids, sizes = np.unique(expected[expected > 0], return_counts=True)
        answer = httpx.request("GET", f"{peer.url}/api/node/{ROOT}/{name}/sizes", json=ids.tolist())
        assert answer.json() == sizes.tolist()
