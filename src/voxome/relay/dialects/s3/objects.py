"""Read, write, copy and delete objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from starlette.datastructures import Headers
from starlette.responses import Response

from voxome.errors import NotFound
from voxome.relay.accounts import PUBLIC
from voxome.relay.dialects.s3.body import FileSink, MemorySink, Received, Sink
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.documents import MODIFIED_HTTP, error_document, modified_http
from voxome.relay.dialects.s3.errors import S3Error, not_offered
from voxome.relay.dialects.s3.operation import WithoutBody
from voxome.relay.files import check_write, file_response
from voxome.relay.stores.answer import StoredFile
from voxome.relay.stores.properties import DEFAULT_TYPE, Properties
from voxome.relay.stores.store import Check, Store

LARGEST_BYTES = 5 * 2**30
"""Bytes of the largest body."""

_REFUSALS = {412: "PreconditionFailed", 416: "InvalidRange"}
_TYPES = frozenset({DEFAULT_TYPE, "binary/octet-stream"})
_KEPT = ("cache-control", "content-disposition", "content-language")
_META = "x-amz-meta-"
_MOST_META_BYTES = 2048
_KEPT_DIGEST_BYTES = 2**26
"""Bytes of an object from which on its MD5 is kept, since to compute it again takes long."""
_SLICE_BYTES = 2**20
_NOT_KEPT = (
    "x-amz-server-side-encryption", "x-amz-tagging", "x-amz-object-lock-", "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
)  # fmt: skip
"""Beginnings of headers that demand something of an object that is not offered."""
_FROM_OTHERS = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
"""Browsers run nothing of what clients have stored."""


class GetObject(WithoutBody):
    """An object, all of it or a range, on conditions."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the object."""
        place = call.readable_store()
        response = self._of_source(call) if place is None else self._of_store(call, *place)
        if response.status_code in _REFUSALS:
            code = _REFUSALS[response.status_code]
            kept = {one: response.headers[one] for one in ("content-range", "etag") if one in response.headers}
            return error_document(code, "the object is another version, or shorter", response.status_code, kept)
        return response

    def _of_source(self, call: S3Call) -> Response:
        name, file = call.files.find(call.sources, call.key)
        response = file_response(call.request, file, public=PUBLIC in call.sources.rights(name).readers)
        response.headers["Last-Modified"] = MODIFIED_HTTP
        return response

    def _of_store(self, call: S3Call, store: Store, key: str) -> Response:
        found = store.open(key)
        try:
            response = file_response(call.request, StoredFile(found), public=PUBLIC in store.rights.readers)
        finally:
            found.close()
        response.headers["Last-Modified"] = modified_http(found.status.st_mtime)
        kept = dict(found.properties.headers)
        if PUBLIC not in store.rights.readers:
            kept.pop("cache-control", None)  # no shared cache keeps what is private
        response.headers.update({**kept, **_FROM_OTHERS})
        if "content-type" in response.headers:
            response.headers["content-type"] = found.properties.media_type  # without a charset that nobody gave
        return response


class PutObject:
    """Write an object, on conditions."""

    def sink(self, call: S3Call) -> Sink:
        """Return a file of the store, or memory for a file of a source."""
        place = call.writable_store()
        if place is not None:
            properties_of(call.headers)
            store, key = place
            store.status(key)  # which checks the key
            return FileSink(store.new_file(), LARGEST_BYTES)
        return MemorySink(call.files.writable(call.sources, call.key).most_body_bytes)

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return the ETag of the object."""
        assert body is not None
        etag = put(call, body, properties_of(call.headers, body.coding), check_of(call.headers))
        return Response(headers={"ETag": etag, **body.checksums})


class DeleteObject(WithoutBody):
    """Delete an object, on conditions; one that does not exist is deleted already."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return nothing."""
        delete(call, call.headers)
        return Response(status_code=204)


def put(call: S3Call, body: Received, properties: Properties, check: Check) -> str:
    """Write a body to the object of a request; return its ETag, with quotes."""
    place = call.writable_store()
    if place is None:
        assert isinstance(body.sink, MemorySink)
        headers = {**call.headers, "content-encoding": body.coding}
        return call.files.writable(call.sources, call.key).put(body.sink.content, headers).etag
    assert isinstance(body.sink, FileSink)
    store, key = place
    if body.sink.path.stat().st_size >= _KEPT_DIGEST_BYTES:
        properties = replace(properties, etag=body.md5)
    store.put(key, body.sink.path, properties, check)
    return f'"{body.md5}"'


def delete(call: S3Call, conditions: Mapping[str, str]) -> None:
    """Delete the object of a request, if it exists and fulfils conditions."""
    place = call.writable_store()
    if place is not None:
        place[0].delete(place[1], check_of(conditions))
        return
    try:
        file = call.files.writable(call.sources, call.key)
    except NotFound:
        if "if-match" in conditions:
            raise
        return
    file.delete(conditions)


def check_of(conditions: Mapping[str, str]) -> Check:
    """Return what checks the conditions ``if-match`` and ``if-none-match`` of a write."""
    headers = Headers(dict(conditions))
    return lambda current: check_write(headers, current)


def properties_of(headers: Mapping[str, str], coding: str = "") -> Properties:
    """Return the properties of an object that is written with these headers.

    Raises
    ------
    S3Error
        If they demand what is not offered, or are too long.
    """
    for name in headers:
        if name.startswith(_NOT_KEPT):
            raise not_offered(f"the header {name}")
    kept = {name: headers[name] for name in headers if name in _KEPT or name.startswith(_META)}
    if sum(len(name) + len(value) for name, value in kept.items()) > _MOST_META_BYTES:
        raise S3Error("MetadataTooLarge", f"the metadata of the object are over {_MOST_META_BYTES} bytes")
    if coding:
        kept["content-encoding"] = coding
    media_type = headers.get("content-type", DEFAULT_TYPE)
    return Properties(media_type=DEFAULT_TYPE if media_type in _TYPES else media_type, headers=kept)
