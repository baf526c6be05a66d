"""Copy objects, and parts of uploads."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from urllib.parse import unquote

from starlette.responses import Response

from voxome.relay.dialects.chunk_answer import ChunkAnswer
from voxome.relay.dialects.s3.body import FileSink, Received, Sink
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.documents import document, modified
from voxome.relay.dialects.s3.errors import S3Error, not_offered
from voxome.relay.dialects.s3.multipart import part_number, upload_of
from voxome.relay.dialects.s3.objects import LARGEST_BYTES, PutObject, check_of, properties_of, put
from voxome.relay.dialects.s3.operation import WithoutBody
from voxome.relay.files import FileAnswer, matches_etag
from voxome.relay.request_errors import PreconditionFailed, TooLarge
from voxome.relay.stores.answer import StoredFile, read_slice
from voxome.relay.stores.properties import Properties
from voxome.relay.stores.uploads import Uploads

_SOURCE = "x-amz-copy-source"
_RANGE, _MATCH, _NONE_MATCH = f"{_SOURCE}-range", f"{_SOURCE}-if-match", f"{_SOURCE}-if-none-match"
_BYTES = re.compile(r"bytes=(\d{1,18})-(\d{1,18})")
_SLICE_BYTES = 2**20


class CopyObject(WithoutBody):
    """Write an object with the content of another, on conditions."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the ETag of the new object."""
        if _RANGE in call.headers:
            raise not_offered("a copy of a range")
        sink = PutObject().sink(call)
        try:
            place = call.writable_store()
            with nullcontext() if place is None else place[0].waiting():
                copied, properties = _copy(call, sink)
            if call.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE":
                properties = properties_of(call.headers)
            etag = put(call, copied, properties, check_of(call.headers))
        finally:
            sink.discard()
        return document("CopyObjectResult", [("LastModified", modified(time.time())), ("ETag", etag)])


class UploadPartCopy(WithoutBody):
    """Write a part of an upload with the content of an object, or a range of it, on conditions."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the ETag of the part."""
        store, upload = upload_of(call)
        number, sink = part_number(call), FileSink(store.new_file(), LARGEST_BYTES)
        try:
            with store.waiting():
                copied, _ = _copy(call, sink)
            Uploads(store).put_part(upload, number, sink.path, copied.md5)
        finally:
            sink.discard()
        return document("CopyPartResult", [("LastModified", modified(time.time())), ("ETag", f'"{copied.md5}"')])


def _copy(call: S3Call, sink: Sink) -> tuple[Received, Properties]:
    """Read what is copied into a sink; return it, and the properties of the object."""
    digest = hashlib.md5(usedforsecurity=False)
    with _opened(call) as (file, properties):
        part = _part(call, file.size)
        if len(part) > sink.most_bytes:
            raise TooLarge(f"the object is over {sink.most_bytes} bytes")
        for content in _slices(file, part):
            digest.update(content)
            sink.write(content)
    sink.finish()
    return Received(sink, digest.hexdigest(), properties.headers.get("content-encoding", ""), {}), properties


@contextmanager
def _opened(call: S3Call) -> Iterator[tuple[StoredFile | FileAnswer | ChunkAnswer, Properties]]:
    """Yield the object that is copied, with its properties.

    Raises
    ------
    PreconditionFailed
        If it does not fulfil the conditions.
    """
    bucket, _, key = unquote(call.headers[_SOURCE].partition("?")[0]).lstrip("/").partition("/")
    source = call.at(bucket, key)
    place = source.readable_store()
    if place is None:
        file = source.files.find(source.sources, key)[1]
        _check(call, file)
        yield file, Properties()
        return
    found = place[0].open(place[1])
    try:
        stored = StoredFile(found)
        _check(call, stored)
        yield stored, replace(found.properties, etag="")
    finally:
        found.close()


def _check(call: S3Call, file: StoredFile | FileAnswer | ChunkAnswer) -> None:
    for name in call.headers:
        if name.startswith(f"{_SOURCE}-") and name not in (_RANGE, _MATCH, _NONE_MATCH):
            raise not_offered(f"the header {name}")
    wanted, unwanted = call.headers.get(_MATCH), call.headers.get(_NONE_MATCH)
    if (wanted is not None and not matches_etag(wanted, file.etag, weak=False)) or (
        unwanted is not None and matches_etag(unwanted, file.etag, weak=True)
    ):
        raise PreconditionFailed(f"the object that is copied is another version: its ETag is {file.etag}")


def _part(call: S3Call, size: int) -> range:
    text = call.headers.get(_RANGE)
    if text is None:
        return range(size)
    match = _BYTES.fullmatch(text)
    if match is None or not int(match[1]) <= int(match[2]) < size:
        raise S3Error("InvalidRange", f"the range {text[:60]} is not inside the object, which has {size} bytes", 416)
    return range(int(match[1]), int(match[2]) + 1)


def _slices(file: StoredFile | FileAnswer | ChunkAnswer, part: range) -> Iterator[bytes]:
    if not isinstance(file, StoredFile):
        yield bytes(file.content[part.start : part.stop])
        return
    for start in range(part.start, part.stop, _SLICE_BYTES):
        yield read_slice(file.found.file, start, min(_SLICE_BYTES, part.stop - start))
