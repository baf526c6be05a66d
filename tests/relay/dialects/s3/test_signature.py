"""What a signature covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from relay.dialects.s3.service import client, code_of, serving_stores, with_store

COPY = {"x-amz-copy-source": "/zarr/private/k"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving_stores(with_store(tmp_path)) as url:
        client(url).put_object(Bucket="zarr", Key="private/k", Body=b"secret")
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("headers", [COPY, {"X-Amz-Meta-Who": "eve"}, {"x-amz-checksum-crc32": "AAAAAA=="}])
def test_whoever_has_a_presigned_link_adds_nothing_to_it(url: str, headers: dict[str, str]) -> None:
    link = client(url).generate_presigned_url("put_object", Params={"Bucket": "zarr", "Key": "scratch/k"})
    answer = httpx.put(link, headers=headers, content=b"")
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)
    assert code_of(lambda: client(url).get_object(Bucket="zarr", Key="scratch/k")) == ("NoSuchKey", 404)
    assert httpx.put(link, content=b"x").status_code == 200


def test_headers_that_are_added_to_a_signed_request_are_refused(url: str) -> None:
    s3 = client(url)
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: request.headers.update(COPY))
    assert code_of(lambda: s3.put_object(Bucket="zarr", Key="scratch/k", Body=b"")) == ("AccessDenied", 403)


def test_only_requests_signed_in_their_header_copy(url: str) -> None:
    where = {"Bucket": "zarr", "Key": "scratch/k", "CopySource": "zarr/private/k"}
    link = client(url).generate_presigned_url("copy_object", Params=where)
    assert httpx.put(link, headers={"x-amz-copy-source": "zarr/private/k"}).status_code == 403
    client(url).copy_object(**where)
    assert client(url).get_object(Bucket="zarr", Key="scratch/k")["Body"].read() == b"secret"
