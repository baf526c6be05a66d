"""Failures of S3: refused credentials, dropped and stalled requests, refusals halfway, and their messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from peers.s3 import BUCKET, Bucket
from standins.faulty_proxy import Alter, Answer, Cut, FaultyProxy, Stall

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, CorruptData, NotFound, StoreError, VoxomeError
from voxome.resources.recognition import get_remote
from voxome.storage import tensorstore
from voxome.storage.find import storage_at, storage_path
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow

SCHEMES = ("zarr", "n5", "precomputed")
SPEC = VolumeSpec.of((24, 40, 40), "uint16", chunk=(8, 16, 16))
CHUNK = r"GET .*(/c/|/\d+/\d+/\d+|_\d+-\d+_)"
"""A request for a chunk of any of the formats."""


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two AWS profiles, neither of which the server knows."""
    file = tmp_path / "credentials"
    file.write_text(
        "[right]\naws_access_key_id = AKIAR\naws_secret_access_key = right-secret\n"
        "[wrong]\naws_access_key_id = AKIAW\naws_secret_access_key = wrong-secret\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setattr(tensorstore, "_SHARED", {})


@pytest.fixture
def strict(bucket: Bucket) -> Iterator[None]:
    """A server that checks credentials."""
    httpx.post(f"{bucket.url}/moto-api/reset-auth", content=b"0")
    yield
    httpx.post(f"{bucket.url}/moto-api/reset-auth", content=b"inf")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("query", ["", "&profile=wrong"])
def test_refused_credentials_are_an_error_without_the_keys(
    bucket: Bucket, keys: None, strict: None, scheme: str, query: str, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = f"{scheme}://{bucket.uri('refused/em')}{query}"
    path = storage_path(Uri.parse(uri))
    attempts = [
        lambda: voxome.create(uri, SPEC),
        lambda: voxome.open(uri),
        lambda: voxome.open(f"{bucket.uri('refused/em')}{query}"),
        lambda: list(get_remote(scheme).list(Uri.parse(uri))),
        path.delete,
    ]
    errors = []
    for attempt in attempts:
        with pytest.raises(AccessDenied, match=r"s3://voxels/refused.*403.*give other credentials") as caught:
            attempt()
        errors.append(f"{caught.value!r} {caught.value}")
    for text in (*errors, repr(path), str(path), *capfd.readouterr()):
        assert not re.search("secret|AKIA", text)


def test_temporary_failures_are_retried(bucket: Bucket, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "10")  # of parallel requests, one may get most of the faults
    for scheme in SCHEMES:
        uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
        for fault in (Answer(503), Answer(500), Answer(429), Cut(), Cut(7), Cut(reaches=True)):
            proxy.script("", fault, None, fault)
        volume = voxome.create(uri, SPEC)
        for fault in (Answer(503), Cut(), Cut(reaches=True)):
            proxy.script("PUT ", fault, None, fault)
        array = noise(SPEC.domain.shape, "uint16")
        volume[...] = array
        for fault in (Answer(503), Answer(500), Answer(429), Cut(), Cut(7)):
            proxy.script(CHUNK, fault, None, fault)
        assert_array_equal(voxome.open(uri)[...], array)
        assert not any(queue for _, queue in proxy._scripts)
        proxy.reset()


@pytest.mark.parametrize("scheme", ["zarr", *(pytest.param(one, marks=pytest.mark.slow) for one in SCHEMES[1:])])
def test_voxels_are_correct_if_requests_are_dropped_or_stall(
    bucket: Bucket, proxy: FaultyProxy, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "10")  # a busy machine is slow to answer, too
    uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
    proxy.chance(0.1, Cut(), seed=1)
    proxy.script(CHUNK, None, Stall(), None, Stall(9))
    array = noise(SPEC.domain.shape, "uint16")
    volume = voxome.create(uri, SPEC)
    volume[...] = array
    assert_array_equal(voxome.open(uri)[...], array)
    kinds = {type(request.fault) for request in proxy.seen}
    assert {Cut, Stall} <= kinds
    proxy.reset()
    assert_array_equal(voxome.open(uri)[...], array)


@pytest.mark.parametrize("fault", [Answer(503, b"<Error><Code>SlowDown</Code></Error>"), Answer(500), Cut(), Cut(40)])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_chunk_that_cannot_be_fetched_is_named(
    bucket: Bucket, proxy: FaultyProxy, scheme: str, fault: Answer | Cut
) -> None:
    uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
    volume = voxome.create(uri, SPEC)
    volume[...] = noise(SPEC.domain.shape, "uint16") | 1
    seen = len(proxy.seen)
    assert volume[...].all()
    chunk = next(one.target for one in proxy.seen[seen:] if re.search(CHUNK, f"GET {one.target}"))
    proxy.script(f"GET {re.escape(chunk)}$", *[fault] * 50)
    with pytest.raises(StoreError, match=r"voxels/.*(503|500|retry|retries|transfer)") as caught:
        voxome.open(uri)[...]
    assert chunk.rpartition("/")[2] in str(caught.value)


@pytest.mark.parametrize("fault", [Answer(403, b"<Error><Message>denied</Message></Error>"), Answer(503), Cut()])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_partly_failed_write_is_an_error(
    bucket: Bucket, proxy: FaultyProxy, scheme: str, fault: Answer | Cut
) -> None:
    uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
    volume = voxome.create(uri, SPEC)
    proxy.script("PUT ", None, None, *[fault] * 200)
    with pytest.raises(VoxomeError, match="voxels/"):
        volume[...] = 7


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_volume_that_could_not_be_created_does_not_exist(bucket: Bucket, proxy: FaultyProxy, scheme: str) -> None:
    uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
    for allowed in range(5):
        proxy.reset()
        proxy.script("PUT ", *[None] * allowed, *[Answer(403)] * 50)
        try:
            voxome.create(uri, SPEC)
        except AccessDenied:
            proxy.reset()
            with pytest.raises(NotFound):
                voxome.open(uri)
            storage_path(Uri.parse(uri)).delete()
            continue
        return
    pytest.fail("the volume was never created")


def test_a_denied_chunk_is_an_error_unless_it_may_count_as_missing(bucket: Bucket, proxy: FaultyProxy) -> None:
    for scheme in SCHEMES:
        uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
        volume = voxome.create(uri, SPEC)
        volume[...] = 5
        seen = len(proxy.seen)
        volume[...]
        chunk = [one.target for one in proxy.seen[seen:] if re.search(CHUNK, f"GET {one.target}")][3]
        proxy.script(f"GET {re.escape(chunk)}$", *[Answer(403)] * 9)
        with pytest.raises(AccessDenied, match="missing=403"):
            voxome.open(uri)[...]
        lenient = voxome.open(f"{uri}&missing=403")[...]
        assert {int(n) for n in np.unique(lenient)} == {0, 5}
        assert 0 < (lenient == 0).sum() <= 8 * 16 * 16
        out = np.ones(SPEC.domain.shape, np.uint16)
        voxome.open(f"{uri}&missing=403").source.read(SPEC.domain, out=out)
        assert_array_equal(out, lenient)


def test_a_denied_file_can_count_as_missing(bucket: Bucket, proxy: FaultyProxy) -> None:
    proxy.chance(1, Answer(403), seed=0, target="^(GET|HEAD) ")
    address = bucket.uri(f"{uuid4().hex}/file", proxy.url)
    with pytest.raises(AccessDenied, match="missing=403"):
        storage_at(address).exists()
    path = storage_at(f"{address}&missing=403")
    assert not path.exists()
    assert path.read_range(0, 4) is None
    proxy.reset()
    proxy.script("^(GET|HEAD) ", Answer(403))
    assert path.change_file(lambda old: b"none" if old is None else old)
    assert path.read_bytes() == b"none"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_truncated_body_with_a_matching_length_is_corrupt(bucket: Bucket, proxy: FaultyProxy, scheme: str) -> None:
    uri = f"{scheme}://{bucket.uri(uuid4().hex, proxy.url)}"
    voxome.create(uri, SPEC)[...] = noise(SPEC.domain.shape, "uint16")
    for change in (lambda body: body[:-9], lambda body: b"", lambda body: b"<html>hello</html>"):
        proxy.reset()
        volume = voxome.open(uri, expect=voxome.Volume)
        proxy.script(CHUNK, Alter(change))
        with pytest.raises(CorruptData, match="voxels/"):
            volume[...]


def test_a_server_that_stalls_forever_is_a_timeout(
    bucket: Bucket, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"zarr://{bucket.uri(uuid4().hex, proxy.url)}"
    volume = voxome.create(uri, SPEC)
    monkeypatch.setenv("VOXOME_OPERATION_S", "1")
    proxy.chance(1.0, Stall(), seed=0)
    for attempt in (
        lambda: voxome.open(uri),
        lambda: volume[...],
        lambda: volume.source.write(SPEC.domain, ones()),
    ):
        with pytest.raises(StoreError, match=r"timed out after 1 s.*VOXOME_OPERATION_S"):
            attempt()
    assert any(isinstance(request.fault, Stall) for request in proxy.seen)


def ones() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.ones(SPEC.domain.shape, np.uint16)


def test_a_server_that_is_not_running_is_an_error(impatient: None) -> None:
    for uri in (f"zarr://s3://{BUCKET}/a?endpoint=http://127.0.0.1:9", "n5://http://127.0.0.1:9/a"):
        with pytest.raises(StoreError, match=r"connect to 127\.0\.0\.1 port 9"):
            voxome.open(uri)
