"""A server or a network that misbehaves: requests are retried or refused, never wrong voxels; no token is shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pytest
from numcodecs import blosc
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from remotes.bossdb.conftest import Peer
from standins.boss import Boss
from standins.faulty_proxy import Alter, Answer, Cut, Fault, FaultyProxy

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, CorruptData, StoreError, VoxomeError
from voxome.remotes import http
from voxome.remotes.bossdb.remote import BossdbRemote
from voxome.remotes.bossdb.source import BossdbSource

pytestmark = pytest.mark.slow

SPEC = VolumeSpec.of((34, 40, 50), "uint8", voxel_size_nm=(40, 4, 4))
URI = Uri("bossdb", "faults/exp/em")
BUSY = Answer(503, b'{"status": 503, "code": 9, "message": "come back later"}')


@pytest.fixture(scope="module")
def data(peer: Peer) -> NDArray[np.uint8]:
    voxels = np.random.default_rng(0).integers(1, 255, SPEC.domain.shape, np.uint8)
    peer.make(("faults", "exp", "em"), SPEC, levels=2)
    peer.put(("faults", "exp", "em"), SPEC.domain.start, voxels)
    return voxels


@pytest.fixture
def proxy(boss: Boss, data: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    monkeypatch.setattr(http, "FIRST_DELAY_S", 0.001)
    with FaultyProxy(boss.url) as one:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", one.url)
        yield one


@pytest.fixture
def source(proxy: FaultyProxy) -> BossdbSource:
    return BossdbRemote().open(URI, mode="r+")


@pytest.mark.parametrize(
    "fault", [Answer(429), BUSY, Answer(500), Answer(502), Answer(504), Cut(), Cut(9), Cut(9, True)]
)
def test_reads_are_retried(source: BossdbSource, proxy: FaultyProxy, data: NDArray[np.uint8], fault: Fault) -> None:
    proxy.script("cutout", fault, fault, None, fault)
    assert_array_equal(source.read(SPEC.domain), data)
    assert sum(one.fault == fault for one in proxy.seen) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"",
        lambda body: body[:100],
        lambda body: body + b"more",
        lambda body: b"<html>welcome to the wifi of this hotel</html>",
        lambda body: blosc.compress(np.ones(7, np.uint8), b"lz4", 1, 0),
    ],
)
def test_malformed_bodies_are_refused(source: BossdbSource, proxy: FaultyProxy, change: object) -> None:
    proxy.script("cutout", None, Alter(change))  # type: ignore[arg-type]
    with pytest.raises(CorruptData, match="faults/exp/em/0"):
        source.read(SPEC.domain)


@pytest.mark.parametrize("fault", [Answer(429), BUSY, Answer(500), Cut(), Cut(None, True), Cut(0, True)])
def test_writes_are_retried(
    source: BossdbSource, proxy: FaultyProxy, data: NDArray[np.uint8], peer: Peer, fault: Fault
) -> None:
    holed = data.copy()
    holed[3:20, 5:9] = 0
    for kind in ("GET /v1/cutout", "to_black", "POST /v1/cutout"):
        proxy.script(kind, fault, None, fault)
    for wanted in (holed, data):
        source.write(SPEC.domain, wanted)
        assert_array_equal(peer.get(("faults", "exp", "em"), (0, 0, 0), SPEC.domain.shape, "u1"), wanted)


def test_an_unavailable_server_is_named(
    source: BossdbSource, proxy: FaultyProxy, data: NDArray[np.uint8], peer: Peer
) -> None:
    proxy.chance(1, BUSY, seed=0, target="cutout")
    with pytest.raises(
        StoreError, match=rf"GET {proxy.url}/v1/cutout/faults/exp/em/0/.* answered 503: come back later"
    ):
        source.read(SPEC.domain)
    with pytest.raises(StoreError, match="answered 503"):
        source.write(SPEC.domain, data)
    proxy.reset()
    source.write(SPEC.domain, data)
    assert_array_equal(source.read(SPEC.domain), data)


def test_a_failed_write_is_completed_by_writing_again(
    source: BossdbSource, proxy: FaultyProxy, data: NDArray[np.uint8]
) -> None:
    holed = data * (np.random.default_rng(1).random(data.shape) < 0.5).astype(np.uint8)
    proxy.chance(1, Answer(500), seed=0, target="POST /v1/cutout")
    with pytest.raises(StoreError, match="answered 500"):
        source.write(SPEC.domain, holed)
    proxy.reset()
    source.write(SPEC.domain, holed)
    assert_array_equal(source.read(SPEC.domain), holed)
    source.write(SPEC.domain, data)


def test_random_faults_change_no_voxel(source: BossdbSource, proxy: FaultyProxy, data: NDArray[np.uint8]) -> None:
    for seed, fault in enumerate((Answer(503), Cut(50), Answer(500))):
        proxy.chance(0.07, fault, seed=seed, target="cutout")
    for _ in range(5):
        assert_array_equal(source.read(SPEC.domain), data)


def test_without_the_servers_resolutions_they_are_computed(source: BossdbSource, proxy: FaultyProxy) -> None:
    for fault in (Answer(404), Alter(lambda body: body.replace(b'"extent"', b'"extend"'))):
        proxy.script("downsample", *[fault] * 10)
        try:
            assert [level.scale for level in BossdbRemote().open(URI).levels] == [(1, 1, 1), (1, 2, 2)]
        except CorruptData as error:
            assert "extent" in str(error)  # noqa: PT017


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"name": "em"}'])
def test_a_malformed_description_is_refused(source: BossdbSource, proxy: FaultyProxy, body: bytes) -> None:
    proxy.script("channel/em", Alter(lambda _: body))
    with pytest.raises(CorruptData):
        BossdbRemote().open(URI)


def test_the_token_is_never_shown(
    source: BossdbSource, proxy: FaultyProxy, boss: Boss, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(source), str(vars(source)), repr(source.metadata), repr(BossdbRemote().connect(URI))]
    for fault in (Answer(401, b'{"detail": "no"}'), Answer(403), Answer(400), Answer(418)):
        proxy.script("cutout", fault)
        with pytest.raises(VoxomeError) as caught:
            source.read(SPEC.domain)
        shown.append(f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}")
    assert any(one.headers["Authorization"] == f"Token {boss.token}" for one in proxy.seen)
    assert boss.token not in "".join(shown) + caplog.text


def test_a_refusal_carries_the_message_of_the_server(source: BossdbSource, proxy: FaultyProxy) -> None:
    proxy.script("cutout", Answer(403, b'{"status": 403, "code": 3003, "message": "Missing permission"}'))
    with pytest.raises(AccessDenied, match=r"Missing permission \(code 3003\)") as caught:
        source.read(SPEC.domain)
    assert caught.value.status == 403
