"""Objects that are uploaded in parts."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from relay.dialects.s3.service import LAB, client, code_of, keys_of, serving_stores, with_store

from voxome.relay.sources import Sources

MIB = 2**20
WHERE = {"Bucket": "zarr3", "Key": "scratch/a/large"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving_stores(with_store(tmp_path)) as url:
        yield url


def begin(s3: Any, **options: Any) -> dict[str, str]:
    return {**WHERE, "UploadId": s3.create_multipart_upload(**WHERE, **options)["UploadId"]}


def part(s3: Any, upload: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
    etag = s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
    return {"PartNumber": number, "ETag": etag}


def complete(s3: Any, upload: dict[str, str], *parts: dict[str, Any], **options: Any) -> Any:
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": list(parts)}, **options)


def left(tmp_path: Path) -> list[Path]:
    own = tmp_path / "scratch/.voxome-relay"
    return [one for folder in ("new", "uploads") for one in (own / folder).rglob("*")]


@pytest.mark.slow
def test_a_file_of_three_parts_is_uploaded_and_downloaded(url: str, tmp_path: Path) -> None:
    s3, content = client(url), os.urandom(20 * MIB)
    (tmp_path / "file").write_bytes(content)
    s3.upload_file(str(tmp_path / "file"), WHERE["Bucket"], WHERE["Key"], ExtraArgs={"Metadata": {"who": "bob"}})
    parts = [content[at : at + 8 * MIB] for at in range(0, len(content), 8 * MIB)]
    digests = b"".join(hashlib.md5(one).digest() for one in parts)
    found = s3.head_object(**WHERE)
    assert found["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert (found["Metadata"], found["ContentLength"]) == ({"who": "bob"}, len(content))
    got = io.BytesIO()
    s3.download_fileobj(*WHERE.values(), got)
    assert got.getvalue() == content
    assert left(tmp_path) == []


def test_an_aborted_upload_leaves_nothing(url: str, tmp_path: Path) -> None:
    s3 = client(url)
    upload = begin(s3)
    one = part(s3, upload, 1, b"x")
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="zarr3")["Uploads"]] == [WHERE["Key"]]
    assert keys_of(s3, "zarr3") == []
    s3.abort_multipart_upload(**upload)
    assert left(tmp_path) == []
    for call in (lambda: part(s3, upload, 2, b"x"), lambda: complete(s3, upload, one), lambda: s3.list_parts(**upload)):
        assert code_of(call) == ("NoSuchUpload", 404)
    assert left(tmp_path) == []


@pytest.mark.slow
def test_parts_survive_a_restart(tmp_path: Path) -> None:
    with serving_stores(with_store(tmp_path)) as url:
        s3 = client(url)
        upload = begin(s3)
        first = part(s3, upload, 1, b"a" * 5 * MIB)
    with serving_stores(with_store(tmp_path)) as url:
        s3 = client(url)
        second = part(s3, upload, 2, b"b")
        listed = [(one["PartNumber"], one["ETag"], one["Size"]) for one in s3.list_parts(**upload)["Parts"]]
        assert listed == [(1, first["ETag"], 5 * MIB), (2, second["ETag"], 1)]
        etag = complete(s3, upload, first, second)["ETag"]
        assert s3.get_object(**WHERE)["Body"].read() == b"a" * 5 * MIB + b"b"
    with serving_stores(with_store(tmp_path)) as url:
        assert client(url).head_object(**WHERE)["ETag"] == etag


@pytest.mark.slow
def test_parts_are_checked_when_the_upload_is_completed(url: str, tmp_path: Path) -> None:
    s3 = client(url)
    upload = begin(s3)
    small, old = part(s3, upload, 1, b"x"), part(s3, upload, 2, b"old")
    new = part(s3, upload, 2, b"new")
    assert code_of(lambda: complete(s3, upload, small, old)) == ("InvalidPart", 400)
    assert code_of(lambda: complete(s3, upload, small, {**new, "PartNumber": 3})) == ("InvalidPart", 400)
    assert code_of(lambda: complete(s3, upload, new, small)) == ("InvalidPartOrder", 400)
    assert code_of(lambda: complete(s3, upload, small, new)) == ("EntityTooSmall", 400)
    assert code_of(lambda: part(s3, upload, 10_001, b"x")) == ("InvalidArgument", 400)
    assert code_of(lambda: part(s3, {**upload, "Key": "scratch/other"}, 1, b"x")) == ("NoSuchUpload", 404)
    assert code_of(lambda: part(s3, {**upload, "UploadId": "../../x"}, 1, b"x")) == ("NoSuchUpload", 404)
    complete(s3, upload, new)
    assert s3.get_object(**WHERE)["Body"].read() == b"new"
    assert left(tmp_path) == []


def test_an_upload_that_may_not_replace_an_object_can_be_completed_later(url: str) -> None:
    s3 = client(url)
    s3.put_object(**WHERE, Body=b"old")
    upload = begin(s3)
    one = part(s3, upload, 1, b"x")
    assert code_of(lambda: complete(s3, upload, one, IfNoneMatch="*")) == ("PreconditionFailed", 412)
    assert s3.get_object(**WHERE)["Body"].read() == b"old"
    s3.delete_object(**WHERE)
    complete(s3, upload, one, IfNoneMatch="*")


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_parts_have_checksums(url: str, algorithm: str) -> None:
    s3, content = client(url), os.urandom(11 * MIB)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(content), *WHERE.values(), ExtraArgs={"ChecksumAlgorithm": algorithm}, Config=config)
    assert s3.get_object(**WHERE)["Body"].read() == content


@pytest.mark.slow
def test_large_objects_are_copied_in_parts(url: str) -> None:
    s3, content = client(url), os.urandom(20 * MIB)
    s3.put_object(**WHERE, Body=content)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3.copy(WHERE, "zarr", "scratch/copy", Config=config)
    found = s3.get_object(Bucket="zarr", Key="scratch/copy")
    assert found["ETag"].endswith('-3"')
    assert found["Body"].read() == content


def test_a_part_is_a_range_of_an_object_on_conditions(url: str, tmp_path: Path) -> None:
    s3, upload = client(url), begin(client(url))
    etag = s3.put_object(Bucket="zarr3", Key="scratch/small", Body=b"0123456789")["ETag"]
    of_part = {**upload, "PartNumber": 1, "CopySource": {"Bucket": "zarr3", "Key": "scratch/small"}}
    for given, code in (
        ({"CopySourceRange": "bytes=0-10"}, "InvalidRange"),
        ({"CopySourceRange": "bytes=5-4"}, "InvalidRange"),
        ({"CopySourceIfMatch": '"other"'}, "PreconditionFailed"),
        ({"CopySource": {"Bucket": "zarr3", "Key": "scratch/none"}}, "NoSuchKey"),
    ):
        assert code_of(lambda given=given: s3.upload_part_copy(**{**of_part, **given}))[0] == code
    copied = s3.upload_part_copy(**of_part, CopySourceRange="bytes=2-5", CopySourceIfMatch=etag)["CopyPartResult"]
    complete(s3, upload, {"PartNumber": 1, "ETag": copied["ETag"]})
    assert s3.get_object(**WHERE)["Body"].read() == b"2345"
    assert left(tmp_path) == []


@pytest.mark.slow
def test_abandoned_uploads_end(tmp_path: Path) -> None:
    sources = Sources()
    sources.add_store("scratch", tmp_path / "scratch", LAB, uploads_days=3)
    with serving_stores(sources) as url:
        s3 = client(url)
        old, young = begin(s3), begin(s3)
        part(s3, old, 1, b"x")
        part(s3, young, 1, b"y")
        ages = {old["UploadId"]: 3.1, young["UploadId"]: 2.9}
        for id, days in ages.items():
            then = time.time() - days * 86400
            os.utime(tmp_path / "scratch/.voxome-relay/uploads" / id, (then, then))
        found = s3.list_multipart_uploads(Bucket="zarr3")["Uploads"]
        assert [one["UploadId"] for one in found] == [young["UploadId"]]
        assert code_of(lambda: part(s3, old, 2, b"z")) == ("NoSuchUpload", 404)
        begin(s3)
        complete(s3, young, {"PartNumber": 1, "ETag": s3.list_parts(**young)["Parts"][0]["ETag"]})
        assert not any(one.read_bytes() == b"x" for one in left(tmp_path) if one.is_file())
