"""Objects of clients in a store, over S3."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from relay.dialects.s3.service import BOB, EVE, client, code_of, keys_of, serving_stores, with_store

import voxome
from voxome.geometry import Box
from voxome.relay.accounts import Caller
from voxome.relay.dialects.s3 import list_objects
from voxome.relay.dialects.s3.body import FileSink
from voxome.relay.permitted import PermittedSources
from voxome.relay.stores import store

KEYS = ["a b", "a+b", "100%", "한/x", "a&b<c", "x\x17y", "run+x/c/0", "run x/c/0", "~._-", "deep/er/and/deeper"]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving_stores(with_store(tmp_path)) as url:
        yield url


def put(s3: Any, key: str, body: bytes = b"x", **options: Any) -> str:
    return str(s3.put_object(Bucket="zarr3", Key=f"scratch/{key}", Body=body, **options)["ETag"])


def get(s3: Any, key: str, bucket: str = "zarr3") -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=f"scratch/{key}")["Body"].read()
    return content


@pytest.mark.slow
def test_objects_are_kept_as_they_are(url: str, tmp_path: Path) -> None:
    s3, content = client(url), os.urandom(3 * 10**6)
    etag = put(s3, "a/b.bin", content, ContentType="text/x", Metadata={"who": "bob"}, ContentEncoding="gzip")
    assert etag == f'"{hashlib.md5(content).hexdigest()}"'
    found = s3.get_object(Bucket="zarr", Key="scratch/a/b.bin")
    assert found["Body"].read() == content
    assert (found["ETag"], found["ContentType"], found["Metadata"]) == (etag, "text/x", {"who": "bob"})
    assert found["ContentEncoding"] == "gzip"
    head = s3.head_object(Bucket="zarr3", Key="scratch/a/b.bin")
    assert (head["ETag"], head["ContentLength"]) == (etag, len(content))
    part = s3.get_object(Bucket="zarr3", Key="scratch/a/b.bin", Range="bytes=1000000-2999999")["Body"].read()
    assert part == content[1000000:]
    assert (tmp_path / "scratch/a/b.bin").read_bytes() == content
    put(s3, "a/b.bin", b"new")
    renewed = s3.get_object(Bucket="zarr3", Key="scratch/a/b.bin")
    assert (renewed["Body"].read(), renewed["Metadata"], "ContentEncoding" in renewed) == (b"new", {}, False)
    s3.delete_object(Bucket="zarr3", Key="scratch/a/b.bin")
    assert code_of(lambda: get(s3, "a/b.bin")) == ("NoSuchKey", 404)
    assert sorted(one.name for one in (tmp_path / "scratch").iterdir()) == [".voxome-relay"]
    assert not any(one.is_file() for one in (tmp_path / "scratch/.voxome-relay/new").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("version", ["", "_v2"])
@pytest.mark.parametrize("size", [2, 1000])
def test_keys_of_all_characters_are_listed_and_read_back(url: str, version: str, size: int) -> None:
    s3 = client(url)
    for key in KEYS:
        put(s3, key, key.encode())
    listed = keys_of(s3, "zarr3", version, PaginationConfig={"PageSize": size})
    assert listed == sorted(f"scratch/{key}" for key in KEYS)
    for key in listed:
        assert get(s3, key.removeprefix("scratch/")).decode() == key.removeprefix("scratch/")
    pages = s3.get_paginator(f"list_objects{version}").paginate(
        Bucket="zarr3", Delimiter="/", Prefix="scratch/", PaginationConfig={"PageSize": size}
    )
    entries: list[str] = []
    for page in pages:
        entries += [one["Key"] for one in page.get("Contents", ())]
        entries += [one["Prefix"] for one in page.get("CommonPrefixes", ())]
    assert sorted(entries) == sorted({re.sub(r"(scratch/[^/]*/).*", r"\1", key) for key in listed})
    assert len(entries) == len(set(entries))


@pytest.mark.slow
def test_lists_without_encoding_are_xml(url: str) -> None:
    s3 = client(url)
    for key in KEYS:
        put(s3, key)
    for query in ("list-type=2", "prefix=scratch/x", "list-type=2&delimiter=/&prefix=scratch/"):
        answer = httpx.get(f"{url}/s3/zarr3?{query}")
        assert "&#23;" in answer.text
        assert "\x17" not in answer.text


@pytest.mark.parametrize(
    "key",
    ["..", "../x", "a/../b", "a//b", "/b", "a/", ".", ".voxome-relay/new/x", "x.__lock", "a\\b", "x" * 250, "a/" * 600],
)
def test_keys_that_no_file_can_have_are_refused(url: str, tmp_path: Path, key: str) -> None:
    s3 = client(url)
    code, status = code_of(lambda: put(s3, key))
    assert status in (400, 404), code
    assert sorted(one.name for one in (tmp_path / "scratch").iterdir()) == [".voxome-relay"]
    assert code_of(lambda: get(s3, key))[1] in (400, 404)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["..%2f..%2fx", "%2e%2e/x", "a%2fb", "x%00", "%ff"])
def test_escapes_lead_nowhere(url: str, tmp_path: Path, path: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        assert httpx.request(method, f"{url}/s3/zarr3/scratch/{path}").status_code in (400, 401, 404)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["private", "scratch"]


def test_links_are_not_followed(url: str, tmp_path: Path) -> None:
    s3, outside = client(url), tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (tmp_path / "scratch/folder").symlink_to(outside)
    (tmp_path / "scratch/file").symlink_to(outside / "secret")
    for key in ("folder/secret", "file"):
        assert code_of(lambda key=key: get(s3, key)) == ("NoSuchKey", 404)
    assert code_of(lambda: put(s3, "folder/new")) == ("OperationAborted", 409)
    put(s3, "file", b"own")
    s3.delete_object(Bucket="zarr3", Key="scratch/folder/secret")
    assert (outside / "secret").read_text() == "secret"
    assert keys_of(s3, "zarr3") == ["scratch/file"]


def test_a_key_that_is_a_folder_of_others_is_a_conflict(url: str) -> None:
    s3 = client(url)
    put(s3, "a/b")
    assert code_of(lambda: put(s3, "a")) == ("OperationAborted", 409)
    assert code_of(lambda: put(s3, "a/b/c")) == ("OperationAborted", 409)
    assert code_of(lambda: get(s3, "a")) == ("NoSuchKey", 404)
    s3.delete_object(Bucket="zarr3", Key="scratch/a")
    assert get(s3, "a/b") == b"x"


def test_conditions_of_writes_and_deletes(url: str) -> None:
    s3, where = client(url), {"Bucket": "zarr3", "Key": "scratch/k"}
    assert code_of(lambda: put(s3, "k", IfMatch='"x"')) == ("NoSuchKey", 404)
    first = put(s3, "k", b"1", IfNoneMatch="*")
    assert code_of(lambda: put(s3, "k", b"2", IfNoneMatch="*")) == ("PreconditionFailed", 412)
    assert get(s3, "k") == b"1"
    second = put(s3, "k", b"2", IfMatch=first.strip('"'))
    assert code_of(lambda: put(s3, "k", b"3", IfMatch=first)) == ("PreconditionFailed", 412)
    assert code_of(lambda: s3.delete_object(**where, IfMatch=first)) == ("PreconditionFailed", 412)
    assert get(s3, "k") == b"2"
    s3.delete_object(**where, IfMatch=second)
    assert code_of(lambda: s3.delete_object(**where, IfMatch=second)) == ("NoSuchKey", 404)
    s3.delete_object(**where)


@pytest.mark.slow
def test_rights_are_those_of_the_store(url: str, tmp_path: Path) -> None:
    where = {"Bucket": "zarr3", "Key": "private/k"}
    client(url).put_object(**where, Body=b"x")
    for pair, status in ((None, 401), (EVE, 403)):
        s3 = client(url, pair)
        for call in (s3.get_object, s3.put_object, s3.delete_object):
            assert code_of(lambda call=call: call(**where)) == ("AccessDenied", status)
        assert code_of(lambda s3=s3: s3.head_object(**where))[1] == status
        assert code_of(lambda s3=s3: s3.get_object(Bucket="zarr3", Key="private/none")) == ("AccessDenied", status)
        assert keys_of(s3, "zarr3") == []
        assert code_of(lambda s3=s3: put(s3, "k"))[1] == status
        assert code_of(lambda s3=s3: s3.create_multipart_upload(Bucket="zarr3", Key="scratch/k"))[1] == status
        deleted = {"Bucket": "zarr3", "Delete": {"Objects": [{"Key": "private/k"}]}}
        if pair is None:
            assert code_of(lambda s3=s3, deleted=deleted: s3.delete_objects(**deleted))[1] == status
        else:
            assert s3.delete_objects(**deleted)["Errors"][0]["Code"] == "AccessDenied"
    assert (tmp_path / "private/k").exists()
    answer = httpx.get(f"{url}/s3/zarr3/private/k", headers={"Origin": "https://x.test"})
    assert answer.headers["www-authenticate"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_private_objects_are_kept_by_no_shared_cache(url: str) -> None:
    s3 = client(url, BOB)
    for name, reach in (("scratch", "public"), ("private", "private")):
        s3.put_object(Bucket="zarr3", Key=f"{name}/k", Body=b"x")
        headers = s3.get_object(Bucket="zarr3", Key=f"{name}/k")["ResponseMetadata"]["HTTPHeaders"]
        assert headers["cache-control"].startswith(reach)
        assert headers["content-security-policy"] == "sandbox"
        assert ("vary" in headers) == (name == "private")


@pytest.mark.slow
def test_copies_have_content_and_properties(url: str) -> None:
    s3 = client(url)
    etag = put(s3, "a b/한", b"x" * 10**6, ContentType="text/x", Metadata={"who": "bob"})
    where = {"Bucket": "zarr3", "Key": "scratch/copy"}
    source = {"Bucket": "zarr3", "Key": "scratch/a b/한"}
    assert s3.copy_object(**where, CopySource=source)["CopyObjectResult"]["ETag"] == etag
    found = s3.head_object(**where)
    assert (found["ContentType"], found["Metadata"], found["ETag"]) == ("text/x", {"who": "bob"}, etag)
    s3.copy_object(**where, CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "1"})
    assert s3.head_object(**where)["Metadata"] == {"n": "1"}
    assert code_of(lambda: s3.copy_object(**where, CopySource={**source, "Key": "scratch/none"}))[0] == "NoSuchKey"
    secret = {"Bucket": "zarr3", "Key": "private/k"}
    client(url).put_object(**secret, Body=b"secret")
    assert code_of(lambda: client(url, EVE).copy_object(**where, CopySource=secret)) == ("AccessDenied", 403)
    s3.copy_object(**where, CopySource=source, CopySourceIfMatch=etag)
    for condition in ({"CopySourceIfMatch": '"other"'}, {"CopySourceIfNoneMatch": etag}):
        refused = code_of(lambda condition=condition: s3.copy_object(**where, CopySource=source, **condition))
        assert refused == ("PreconditionFailed", 412)
    dated = code_of(lambda: s3.copy_object(**where, CopySource=source, CopySourceIfModifiedSince="2020-01-01"))
    assert dated == ("NotImplemented", 501)


@pytest.mark.slow
def test_lists_have_the_etags_that_head_gives(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = client(url)
    for name in "abc":
        put(s3, name, name.encode() * 1000)

    def listed() -> dict[str, str | None]:
        found = s3.list_objects_v2(Bucket="zarr3", Prefix="scratch/")["Contents"]
        return {one["Key"]: one.get("ETag") for one in found}

    heads = {f"scratch/{one}": s3.head_object(Bucket="zarr3", Key=f"scratch/{one}")["ETag"] for one in "abc"}
    assert listed() == heads
    store._DIGESTS.clear()
    assert listed() == heads
    store._DIGESTS.clear()
    monkeypatch.setattr(list_objects, "_MOST_READ_BYTES", 2500)
    assert listed() == {**heads, "scratch/c": None}
    assert listed() == heads


def test_reads_and_writes_of_volumes_in_stores_are_counted_and_noted(tmp_path: Path) -> None:
    sources, noted = with_store(tmp_path), []
    sources.on_write(lambda name, level: noted.append((name, level)))
    voxome.create(f"zarr://{tmp_path}/scratch/a/em.zarr", voxome.VolumeSpec.of((4, 4, 4), "uint8"))
    box = Box.of_shape((4, 4, 4))
    sources.write("scratch/a/em.zarr", box, np.ones(box.shape, "uint8"))
    assert noted == [("scratch/a/em.zarr", 0)] * 2
    sources.read("scratch/a/em.zarr", box)
    text = sources.metrics(PermittedSources(sources, Caller()).stores)
    assert 'voxome_relay_read_bytes_total{source="scratch"} 64' in text
    assert 'voxome_relay_written_bytes_total{source="scratch"} 64' in text
    assert "private" not in text


def test_what_is_not_kept_is_not_offered(url: str) -> None:
    s3 = client(url)
    assert code_of(lambda: put(s3, "k", ServerSideEncryption="AES256")) == ("NotImplemented", 501)
    assert code_of(lambda: put(s3, "k", ACL="public-read")) == ("NotImplemented", 501)
    assert code_of(lambda: put(s3, "k", GrantRead="uri=all")) == ("NotImplemented", 501)
    assert code_of(lambda: put(s3, "k", Metadata={"long": "x" * 3000})) == ("MetadataTooLarge", 400)
    assert keys_of(s3, "zarr3") == []
    put(s3, "k", ACL="private")


@pytest.mark.slow
def test_objects_are_deleted_at_once_and_an_answer_names_each(url: str) -> None:
    s3 = client(url)
    plain = [f"scratch/{key}" for key in KEYS if "\x17" not in key]  # which no client could parse in the answer
    for key in KEYS:
        put(s3, key)
    wanted = [*plain, "scratch/none"]
    found = s3.delete_objects(Bucket="zarr3", Delete={"Objects": [{"Key": key} for key in wanted]})
    assert [one["Key"] for one in found["Deleted"]] == wanted
    (rest,) = keys_of(s3, "zarr3")
    s3.delete_objects(Bucket="zarr3", Delete={"Objects": [{"Key": rest}], "Quiet": True})
    assert keys_of(s3, "zarr3") == []
    etag = put(s3, "k")
    objects = [{"Key": "scratch/k", "ETag": '"x"'}]
    (refused,) = s3.delete_objects(Bucket="zarr3", Delete={"Objects": objects})["Errors"]
    assert refused["Code"] == "PreconditionFailed"
    found = s3.delete_objects(Bucket="zarr3", Delete={"Objects": [{"Key": "scratch/k", "ETag": etag}], "Quiet": True})
    assert "Deleted" not in found
    many = {"Objects": [{"Key": str(n)} for n in range(1001)]}
    assert code_of(lambda: s3.delete_objects(Bucket="zarr3", Delete=many)) == ("InvalidArgument", 400)


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)])
@pytest.mark.parametrize("method", ["write", "finish"])
def test_a_full_disk_stores_nothing_and_leaves_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int, method: str
) -> None:
    def fail(self: FileSink, *data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    s3 = client(url)
    put(s3, "k", b"old")
    monkeypatch.setattr(FileSink, method, fail)
    assert code_of(lambda: put(s3, "k", b"new"))[1] == status
    assert code_of(lambda: put(s3, "other", b"new"))[1] == status
    monkeypatch.undo()
    assert get(s3, "k") == b"old"
    assert keys_of(s3, "zarr3") == ["scratch/k"]
    assert not list((tmp_path / "scratch/.voxome-relay/new").iterdir())


def test_a_client_that_leaves_stores_nothing(url: str, tmp_path: Path) -> None:
    link = client(url).generate_presigned_url("put_object", Params={"Bucket": "zarr3", "Key": "scratch/k"})
    host, port = urlsplit(url).netloc.split(":")
    with socket.create_connection((host, int(port))) as connection:
        path = link.partition(urlsplit(url).netloc)[2]
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100\r\n\r\nhalf".encode())
        new = tmp_path / "scratch/.voxome-relay/new"
        wait_until(lambda: any(new.iterdir()))
    wait_until(lambda: not any(new.iterdir()))
    assert keys_of(client(url), "zarr3") == []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_how_long_an_object_may_be_kept_is_kept_and_sent_where_everybody_may_read_it(tmp_path: Path) -> None:
    with serving_stores(with_store(tmp_path)) as url:
        s3 = client(url)
        for store in ("scratch", "private"):
            s3.put_object(Bucket="zarr", Key=f"{store}/a", Body=b"x", CacheControl="max-age=60", ContentType="text/css")
        found = s3.head_object(Bucket="zarr", Key="scratch/a")
        assert (found["CacheControl"], found["ContentType"]) == ("max-age=60", "text/css")
        assert s3.get_object(Bucket="zarr", Key="private/a")["CacheControl"] == "private, no-cache"
        s3.copy_object(Bucket="zarr", Key="scratch/b", CopySource="zarr/private/a")
        assert s3.head_object(Bucket="zarr", Key="scratch/b")["CacheControl"] == "max-age=60"
