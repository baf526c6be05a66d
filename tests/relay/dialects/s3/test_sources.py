"""Chunks of sources, written and deleted over S3."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
from numpy.testing import assert_array_equal
from relay.dialects.s3.service import BOB, EVE, LAB, client, code_of, serving_stores
from relay.serving import stored

import voxome
from voxome.relay.sources import Sources
from voxome.testing.strategies import noise

SHAPE = (70, 64, 100)
CHUNKS = {"zarr": "em/0/1/0/1", "zarr3": "em/0/c/1/0/1", "precomputed": "em/0/64-100_0-64_64-70"}
DESCRIPTIONS = {"zarr": "em/0/.zarray", "zarr3": "em/0/zarr.json", "precomputed": "em/info"}
PART = noise((6, 64, 36), "uint32", seed=1)


@pytest.fixture
def uri() -> str:
    return stored(noise(SHAPE, "uint32"), fill=7, kind="labels")


@pytest.fixture
def url(uri: str) -> Iterator[str]:
    sources = Sources()
    sources.add("em", uri, LAB)
    sources.add("fixed", stored(noise((5, 6, 7), "uint8")))
    with serving_stores(sources) as url:
        yield url


@pytest.fixture(params=["zarr", "zarr3", "precomputed"])
def bucket(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def chunk(bucket: str) -> bytes:
    if bucket == "precomputed":
        return PART.tobytes()
    whole = np.full((64, 64, 64), 999, "uint32")
    whole[:6, :, :36] = PART
    return whole.tobytes()


@pytest.mark.slow
def test_a_chunk_is_written_and_deleted(url: str, uri: str, bucket: str) -> None:
    s3, where = client(url), {"Bucket": bucket, "Key": CHUNKS[bucket]}
    etag = s3.put_object(**where, Body=chunk(bucket))["ETag"]
    assert etag == s3.head_object(**where)["ETag"] == s3.get_object(**where)["ETag"]
    assert_array_equal(voxome.open(uri)[64:, :, 64:], PART)
    s3.delete_object(**where)
    assert (voxome.open(uri)[64:, :, 64:] == 7).all()
    assert_array_equal(voxome.open(uri)[:64], noise(SHAPE, "uint32")[:64])
    s3.delete_object(Bucket=bucket, Key="em/nothing")


def test_a_chunk_may_be_sent_with_gzip(url: str, uri: str, bucket: str) -> None:
    s3, where = client(url), {"Bucket": bucket, "Key": CHUNKS[bucket]}
    s3.put_object(**where, Body=gzip.compress(chunk(bucket)), ContentEncoding="gzip")
    assert_array_equal(voxome.open(uri)[64:, :, 64:], PART)
    assert "ContentEncoding" not in s3.head_object(**where)


def test_wrong_chunks_are_refused_and_nothing_is_stored(url: str, uri: str, bucket: str) -> None:
    s3, where = client(url), {"Bucket": bucket, "Key": CHUNKS[bucket]}
    right = chunk(bucket)
    for wrong in (right[:-1], right + b"\0", b""):
        assert code_of(lambda wrong=wrong: s3.put_object(**where, Body=wrong)) == ("InvalidArgument", 400)
    assert code_of(lambda: s3.put_object(**where, Body=right * 9)) == ("EntityTooLarge", 400)
    wrong_sum = base64.b64encode(bytes(4)).decode()
    assert code_of(lambda: s3.put_object(**where, Body=right, ChecksumCRC32=wrong_sum)) == ("BadDigest", 400)
    assert_array_equal(voxome.open(uri)[...], noise(SHAPE, "uint32"))


@pytest.mark.slow
def test_equal_metadata_are_accepted_and_others_are_a_conflict(url: str, bucket: str) -> None:
    s3, where = client(url), {"Bucket": bucket, "Key": DESCRIPTIONS[bucket]}
    served = s3.get_object(**where)
    text = served["Body"].read()
    assert s3.put_object(**where, Body=text)["ETag"] == served["ETag"]
    other = json.dumps({**json.loads(text), "shape": [1, 1, 1]}).encode()
    assert code_of(lambda: s3.put_object(**where, Body=other)) == ("OperationAborted", 409)
    assert code_of(lambda: s3.delete_object(**where)) == ("OperationAborted", 409)
    assert s3.get_object(**where)["Body"].read() == text


def test_only_writers_with_a_key_pair_write(url: str, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": CHUNKS[bucket]}
    for pair, status in ((None, 401), (EVE, 403)):
        s3 = client(url, pair)
        assert code_of(lambda s3=s3: s3.put_object(**where, Body=chunk(bucket))) == ("AccessDenied", status)
        assert code_of(lambda s3=s3: s3.delete_object(**where)) == ("AccessDenied", status)
    fixed = {"zarr": "0/0/0/0", "zarr3": "0/c/0/0/0", "precomputed": "0/0-7_0-6_0-5"}[bucket]
    s3 = client(url, BOB)
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key=f"fixed/{fixed}", Body=b"x")) == ("AccessDenied", 403)
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="em/other", Body=b"x")) == ("NoSuchKey", 404)
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="new", Body=b"x")) == ("NoSuchKey", 404)


def test_conditions_are_kept(url: str, bucket: str) -> None:
    s3, where = client(url), {"Bucket": bucket, "Key": CHUNKS[bucket]}
    old = s3.head_object(**where)["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"x"'}):
        refused = code_of(lambda condition=condition: s3.put_object(**where, Body=chunk(bucket), **condition))
        assert refused == ("PreconditionFailed", 412)
    assert code_of(lambda: s3.delete_object(**where, IfMatch='"x"')) == ("PreconditionFailed", 412)
    s3.put_object(**where, Body=chunk(bucket), IfMatch=old)
    assert code_of(lambda: s3.put_object(**where, Body=chunk(bucket), IfMatch=old))[1] == 412


def test_many_chunks_are_deleted_at_once(url: str, uri: str, bucket: str) -> None:
    keys = [CHUNKS[bucket], "em/nothing", DESCRIPTIONS[bucket], "fixed/info", "../x"]
    found = client(url).delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert [one["Key"] for one in found["Deleted"]][:2] == keys[:2]
    assert {one["Key"]: one["Code"] for one in found["Errors"]}[DESCRIPTIONS[bucket]] == "OperationAborted"
    assert (voxome.open(uri)[64:, :, 64:] == 7).all()


@pytest.mark.slow
@pytest.mark.parametrize(("bucket", "driver"), [("zarr", "zarr"), ("zarr3", "zarr3")])
def test_tensorstore_writes_parts_of_chunks(url: str, uri: str, bucket: str, driver: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", BOB.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", BOB.secret)
    store = {
        "driver": "s3", "bucket": bucket, "path": "em/0/", "endpoint": f"{url}/s3", "aws_region": "us-east-1",
        "aws_credentials": {"type": "environment"},
    }  # fmt: skip
    array = ts.open({"driver": driver, "kvstore": store}).result()
    array[60:68, 10:20, 50:90].write(5).result()
    expected = noise(SHAPE, "uint32")
    expected[60:68, 10:20, 50:90] = 5
    assert_array_equal(voxome.open(uri)[...], expected)
