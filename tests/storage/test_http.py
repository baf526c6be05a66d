"""Volumes behind a plain web server: nginx, directly and behind a faulty proxy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from standins.faulty_proxy import Alter, Answer, Cut, Fault, FaultyProxy, Stall

import voxome
from voxome.errors import AccessDenied, CorruptData, NotFound, ReadOnly, StoreError, VoxomeError
from voxome.geometry import Box
from voxome.testing.strategies import boxes

pytestmark = pytest.mark.slow

DOMAIN = Box.of_shape((20, 36, 40), (3, 5, 7))
CHUNK, SHARD = (8, 8, 8), (16, 16, 16)
SPEC = voxome.VolumeSpec(DOMAIN, np.dtype("uint16"), voxel_size_nm=(8, 8, 8), read_chunk=CHUNK, write_chunk=CHUNK)
KINDS = {
    "zarr2": ("zarr", SPEC.replace(encoding={"format": "zarr2"})),
    "zarr3": ("zarr", SPEC),
    "zarr3-sharded": ("zarr", SPEC.replace(write_chunk=SHARD)),
    "n5": ("n5", SPEC),
    "precomputed": ("precomputed", SPEC),
    "precomputed-sharded": ("precomputed", SPEC.replace(write_chunk=SHARD)),
}
EMPTY = Box((3, 5, 39), (19, 37, 47))
"""Not written."""


@pytest.fixture(scope="module")
def values() -> NDArray[np.uint16]:
    volume = np.random.default_rng(0).integers(1, 60_000, DOMAIN.shape).astype(np.uint16)
    volume[EMPTY.within(DOMAIN)] = 0
    return volume


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, values: NDArray[np.uint16]) -> Path:
    root = tmp_path_factory.mktemp("served")
    for name, (scheme, spec) in KINDS.items():
        volume = voxome.create(f"{scheme}://{root}/{name}", spec)
        for part in (Box(DOMAIN.start, (23, 41, 39)), Box((3, 37, 39), DOMAIN.stop), Box((19, 5, 39), (23, 37, 47))):
            volume.paste(part, values[part.within(DOMAIN)])
    return root


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "access.log"


@pytest.fixture(scope="module")
def server(folder: Path, log: Path, serve_by_nginx: Callable[..., str]) -> str:
    return serve_by_nginx(folder, log=log)


@pytest.mark.parametrize("name", KINDS)
def test_any_box_is_read(server: str, values: NDArray[np.uint16], name: str) -> None:
    volume = voxome.open(f"{KINDS[name][0]}://{server}/{name}")
    assert volume.domain == DOMAIN
    assert volume.voxel_size_nm == (8, 8, 8)

    @settings(max_examples=15, deadline=None)
    @given(boxes(DOMAIN))
    def check(box: Box) -> None:
        assert np.array_equal(volume.cutout(box), values[box.within(DOMAIN)])

    check()
    assert not volume.cutout(EMPTY).any()


@pytest.mark.parametrize("name", KINDS)
def test_a_bare_address_is_recognised(server: str, values: NDArray[np.uint16], name: str) -> None:
    assert np.array_equal(voxome.open(f"{server}/{name}")[...], values)


@pytest.mark.parametrize("name", ["zarr3-sharded", "precomputed-sharded"])
def test_only_the_needed_ranges_of_a_shard_are_requested(server: str, log: Path, name: str) -> None:
    volume = voxome.open(f"{KINDS[name][0]}://{server}/{name}")
    before = len(log.read_text().splitlines())
    volume.cutout(Box((3, 5, 7), (4, 6, 8)))
    requests = [line for line in log.read_text().splitlines()[before:] if re.search(r"/c/|\.shard", line)]
    assert requests
    assert all(" 206 bytes=" in line for line in requests)


def test_a_missing_volume_is_not_found(server: str) -> None:
    for uri in (f"zarr://{server}/none", f"n5://{server}/none", f"precomputed://{server}/none", f"{server}/none"):
        with pytest.raises(NotFound, match=r"none"):
            voxome.open(uri)


@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
def test_writing_is_refused(server: str, scheme: str) -> None:
    with pytest.raises(ReadOnly, match="http"):
        voxome.create(f"{scheme}://{server}/new", SPEC)
    with pytest.raises(ReadOnly, match="http"):
        voxome.open(f"{scheme}://{server}/{scheme}{'3' * (scheme == 'zarr')}", mode="r+")


@pytest.fixture
def proxy(server: str, impatient: None) -> Iterator[FaultyProxy]:
    with FaultyProxy(server) as found:
        yield found


PASSING: list[Fault] = [Answer(429), Answer(500), Answer(503), Answer(504), Cut(), Cut(10)]
LASTING: list[tuple[Fault, type[VoxomeError], str]] = [
    (Answer(401, b"who are you"), AccessDenied, "401|who are you"),
    (Answer(403, b"not for you"), AccessDenied, "403|not for you"),
    (Answer(429), StoreError, "429"),
    (Answer(500, b"out of order"), StoreError, "500"),
    (Answer(503), StoreError, "503"),
    (Cut(), StoreError, "http"),
    (Cut(10), StoreError, "http"),
    (Alter(lambda body: body[: len(body) // 2]), VoxomeError, "http"),
    (Answer(200, b"<html>sorry</html>"), VoxomeError, "http"),
]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_temporary_failures_are_retried(
    proxy: FaultyProxy, values: NDArray[np.uint16], name: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "10")  # a busy machine is slow to answer, too
    volume = voxome.open(f"{KINDS[name][0]}://{proxy.url}/{name}")
    proxy.script(".", *[fault] * 2)
    assert np.array_equal(volume.cutout(DOMAIN), values)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("fault", "error", "message"), LASTING, ids=lambda value: str(value)[:24])
def test_permanent_failures_are_errors_and_never_zeros(
    proxy: FaultyProxy, name: str, fault: Fault, error: type[VoxomeError], message: str
) -> None:
    volume = voxome.open(f"{KINDS[name][0]}://{proxy.url}/{name}")
    proxy.chance(1.0, fault, seed=0)
    with pytest.raises(error, match=message) as caught:
        volume.cutout(Box((3, 5, 7), (19, 21, 23)))
    assert proxy.url in str(caught.value)
    with pytest.raises(VoxomeError):
        voxome.open(f"{KINDS[name][0]}://{proxy.url}/{name}")


def test_a_silent_server_is_a_timeout(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_OPERATION_S", "2")
    volume = voxome.open(f"zarr://{proxy.url}/zarr3")
    proxy.chance(1.0, Stall(), seed=0)
    with pytest.raises(StoreError, match=r"timed out after 2 s|http"):
        volume.cutout(DOMAIN)


def test_a_damaged_shard_index_is_an_error(proxy: FaultyProxy) -> None:
    volume = voxome.open(f"zarr://{proxy.url}/zarr3-sharded")
    proxy.chance(1.0, Alter(lambda body: bytes(len(body))), seed=0)
    with pytest.raises(CorruptData):
        volume.cutout(DOMAIN)
