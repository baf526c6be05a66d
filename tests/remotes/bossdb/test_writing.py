"""Writes: zeros, boxes off the cuboids, and no needless requests."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from remotes.bossdb.conftest import Peer
from standins.boss import Boss
from standins.faulty_proxy import FaultyProxy

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidBox, InvalidInput
from voxome.geometry import Box
from voxome.remotes.bossdb.remote import BossdbRemote
from voxome.remotes.bossdb.source import BossdbSource
from voxome.testing.strategies import boxes

pytestmark = pytest.mark.slow

SPEC = VolumeSpec.of((20, 530, 520), "uint8", voxel_size_nm=(40, 4, 4))
few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def proxy(boss: Boss, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """Between client and server, to count requests."""
    with FaultyProxy(boss.url) as one:
        monkeypatch.setenv("VOXOME_BOSSDB_HOST", one.url)
        monkeypatch.setenv("VOXOME_BOSSDB_REQUEST_MIB", "1")
        yield one


@pytest.fixture
def source(proxy: FaultyProxy) -> BossdbSource:
    return BossdbRemote().create(Uri("bossdb", f"{uuid4().hex}/exp/em"), SPEC)


def requests_of(proxy: FaultyProxy) -> set[str]:
    """Return the methods and endpoints of the requests since the last call."""
    kinds = {
        f"{one.method} {'to_black' if 'to_black' in one.target else one.target.split('/')[2]}" for one in proxy.seen
    }
    proxy.reset()
    return kinds


@pytest.mark.slow
def test_any_box_with_many_zeros_is_written(source: BossdbSource) -> None:
    model = np.zeros(SPEC.domain.shape, np.uint8)

    @few
    @given(box=boxes(SPEC.domain), seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.001, 0.5, 1.0]))
    def check(box: Box, seed: int, share: float) -> None:
        rng = np.random.default_rng(seed)
        data = rng.integers(1, 255, box.shape, np.uint8) * (rng.random(box.shape) < share)
        model[box.within(SPEC.domain)] = data
        source.write(box, data)
        assert_array_equal(source.read(SPEC.domain), model)

    check()


def test_no_needless_requests_are_sent(source: BossdbSource, proxy: FaultyProxy) -> None:
    domain = SPEC.domain
    full = np.full(domain.shape, 3, np.uint8)
    holed = full.copy()
    holed[2:4, 5:7, 10:12] = 0
    proxy.reset()
    source.write(domain, holed)
    assert requests_of(proxy) == {"GET cutout", "POST cutout"}
    source.write(domain, full)
    assert requests_of(proxy) == {"POST cutout"}
    source.write(domain, holed)
    black = [one.target for one in proxy.seen if "to_black" in one.target]
    assert [target.split("/0/")[1] for target in black] == ["10:12/5:7/2:4/"]
    assert requests_of(proxy) == {"GET cutout", "PUT to_black", "POST cutout"}
    source.write(domain, np.zeros_like(full))
    assert requests_of(proxy) == {"PUT to_black"}
    assert not source.read(domain).any()


def test_requests_follow_the_cuboids(source: BossdbSource, proxy: FaultyProxy) -> None:
    proxy.reset()
    source.read(Box((3, 4, 5), (18, 530, 515)))
    boxes_seen = sorted(one.target.split("/0/")[1].split("?")[0] for one in proxy.seen)
    xs, ys, zs = ("5:512", "512:515"), ("4:512", "512:530"), ("3:16", "16:18")
    assert boxes_seen == sorted(f"{x}/{y}/{z}/" for x in xs for y in ys for z in zs)


def test_the_description_is_read_once(source: BossdbSource, proxy: FaultyProxy) -> None:
    uri = Uri("bossdb", source._description.address.names and "/".join(source._description.address.names))
    proxy.reset()
    opened = BossdbRemote().open(uri)
    targets = [one.target.split("?")[0] for one in proxy.seen]
    assert len(targets) == len(set(targets)) == 4
    proxy.reset()
    for _ in range(3):
        opened.read(Box((0, 0, 0), (2, 3, 4)))
        assert opened.spec.voxel_size_nm == (40, 4, 4)
    assert requests_of(proxy) == {"GET cutout"}


def test_other_dtypes_are_refused(source: BossdbSource) -> None:
    data: NDArray[np.int64] = np.full(SPEC.domain.shape, 300)
    with pytest.raises(InvalidInput, match="int64"):
        source.write(SPEC.domain, data)


@pytest.mark.parametrize(
    "box",
    [
        Box((-1, 0, 0), (2, 2, 2)),
        Box((0, 0, -5), (2, 2, 2)),
        Box((19, 0, 0), (21, 2, 2)),
        Box((0, 529, 0), (1, 531, 1)),
        Box((0, 0, 520), (1, 1, 521)),
    ],
)
def test_boxes_outside_are_refused_without_a_request(source: BossdbSource, proxy: FaultyProxy, box: Box) -> None:
    proxy.reset()
    with pytest.raises(InvalidBox, match="0:20,0:530,0:520"):
        source.read(box)
    with pytest.raises(InvalidBox, match="0:20,0:530,0:520"):
        source.write(box, np.ones(box.shape, np.uint8))
    with pytest.raises(InvalidBox, match="do not fill"):
        source.write(Box((0, 0, 0), (1, 1, 1)), np.ones((1, 1, 2), np.uint8))
    assert not proxy.seen


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("resolution", [0, 1])
def test_zeros_are_written_for_every_dtype_at_every_resolution(peer: Peer, dtype: str, resolution: int) -> None:
    names = (uuid4().hex, "exp", "em")
    peer.make(names, VolumeSpec.of((6, 20, 30), dtype), levels=2)
    opened = BossdbRemote().open(Uri("bossdb", "/".join([*names, str(resolution)])), mode="r+")
    domain, largest = opened.spec.domain, np.iinfo(dtype).max
    wanted = np.full(domain.shape, largest, dtype)
    opened.write(domain, wanted)
    wanted[1:5, 3:7, 2:9] = 0
    opened.write(Box((1, 3, 2), (5, 7, 9)), np.zeros((4, 4, 7), dtype))
    wanted[0, 0] = np.arange(domain.shape[2]) % 2
    opened.write(Box((0, 0, 0), (1, 1, domain.shape[2])), wanted[:1, :1])
    assert_array_equal(opened.read(domain), wanted)
    assert_array_equal(peer.get(names, (0, 0, 0), domain.shape, dtype, resolution), wanted)


def test_points_in_time_are_written(peer: Peer) -> None:
    names = (uuid4().hex, "exp", "em")
    spec = VolumeSpec.of((3, 18, 20, 520), "uint16", axes=tuple("tzyx"), start=(0, 2, 3, 4))
    peer.make(names, spec)
    source = BossdbRemote().open(Uri("bossdb", "/".join(names)), mode="r+")
    model = np.zeros(spec.domain.shape, np.uint16)

    @few
    @given(box=boxes(spec.domain), seed=st.integers(0, 2**32 - 1))
    def check(box: Box, seed: int) -> None:
        data = np.random.default_rng(seed).integers(0, 3, box.shape, np.uint16) * np.uint16(1000)
        model[box.within(spec.domain)] = data
        source.write(box, data)
        assert_array_equal(source.read(box), data)

    check()
    assert_array_equal(peer.get(names, spec.domain.start, spec.domain.shape, "<u2"), model)
