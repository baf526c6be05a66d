"""Sources as objects of S3, read-only.

========================================  =====================================================
``GET /s3``                               the buckets: ``precomputed``, ``zarr`` and ``zarr3``
``GET /s3/BUCKET?list-type=2``            keys that the caller may read, with their sizes
``GET`` or ``HEAD`` ``/s3/BUCKET/KEY``    an object: whole, a range, or on conditions
========================================  =====================================================

A bucket is a format, and a key is ``NAME/PATH``: the path of a file of a source in it. Nothing is compressed, so that
sizes are known without the voxels. Requests are anonymous, or signed with a key pair (`keys.py`).
"""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voxome.contracts.volume_files import VolumeFiles
from voxome.errors import AccessDenied, InvalidInput, NotFound
from voxome.relay.access_log import logged_path, note
from voxome.relay.accounts import PUBLIC, Caller
from voxome.relay.dialects.s3.documents import MODIFIED, MODIFIED_HTTP, Element, document, error_document
from voxome.relay.dialects.s3.keys import Keys
from voxome.relay.dialects.s3.listing import Keys as ListedKeys
from voxome.relay.dialects.s3.listing import page_of, product_keys, sorted_keys
from voxome.relay.dialects.s3.signature import verify
from voxome.relay.dialects.volume_files import VolumeFilesDialect
from voxome.relay.files import file_response
from voxome.relay.http import RETRY
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.sources import SourceUnavailable, StorageFull
from voxome.relay.writes.journal import TooLargeForJournal

_REGION = "us-east-1"
_MOST_KEYS = 1000
_STANDARD: Element = ("StorageClass", "STANDARD")
_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"]
_ERRORS: Mapping[type[Exception], tuple[str, int]] = {
    AccessDenied: ("AccessDenied", 403),
    TooLargeForJournal: ("EntityTooLarge", 413),
    InvalidInput: ("InvalidArgument", 400),
    NotFound: ("NoSuchKey", 404),
    StorageFull: ("InsufficientStorage", 507),
    SourceUnavailable: ("ServiceUnavailable", 503),
}
_REFUSALS = {412: "PreconditionFailed", 416: "InvalidRange"}
_LOG = logging.getLogger(__name__)


class S3Dialect:
    """Sources as objects under ``/s3``.

    Parameters
    ----------
    relay : Relay
        Provides the sources, accounts and key pairs.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay, self._keys = relay, Keys(relay.catalogue, relay.accounts)
        raw = {"codec": "raw"}
        self._buckets = {
            "precomputed": VolumeFilesDialect(relay, "", "precomputed", encoding=raw, together="c"),
            "zarr": VolumeFilesDialect(relay, "", "zarr", encoding={"format": "zarr2", **raw}),
            "zarr3": VolumeFilesDialect(relay, "", "zarr", encoding={"format": "zarr3", **raw}),
        }

    def routes(self) -> Sequence[BaseRoute]:
        paths = ("/s3", "/s3/", "/s3/{bucket}", "/s3/{bucket}/{key:path}")
        return [Route(path, self._respond, methods=_METHODS) for path in paths]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return the address of a source in each bucket."""
        return {f"s3/{bucket}": f"s3/{bucket}/{name}" for bucket in self._buckets}

    async def _respond(self, request: Request) -> Response:
        try:
            response = await self._relay.threads.run(self._answer, request)
        except Exception as error:
            response = _error(error, request)
        response.headers["x-amz-request-id"] = secrets.token_hex(8).upper()
        return response

    def _answer(self, request: Request) -> Response:
        access_key = verify(request, self._keys.secret)
        caller = self._keys.caller(access_key) if access_key else Caller()
        note(caller=caller.name)
        sources = PermittedSources(self._relay.sources, caller)
        if request.method not in ("GET", "HEAD"):
            unread = {"Connection": "close"}  # its body stays in the connection
            return error_document("NotImplemented", "this store is read-only", 501, unread)
        name, key = request.path_params.get("bucket", ""), request.path_params.get("key", "")
        if not name:
            entries = [("Bucket", [("Name", one), ("CreationDate", MODIFIED)]) for one in sorted(self._buckets)]
            return document("ListAllMyBucketsResult", [("Buckets", entries)])
        bucket = self._buckets.get(name)
        if bucket is None:
            return error_document("NoSuchBucket", f"there is no bucket {name}", 404)
        return _object(request, bucket, sources, key) if key else _bucket(request, name, bucket, sources)


def _object(request: Request, bucket: VolumeFilesDialect, sources: PermittedSources, key: str) -> Response:
    name, file = bucket.find(sources, key)
    response = file_response(request, file, public=PUBLIC in sources.rights(name).readers)
    if response.status_code in _REFUSALS:
        code = _REFUSALS[response.status_code]
        kept = {one: response.headers[one] for one in ("content-range", "etag") if one in response.headers}
        return error_document(code, "the object is another version, or shorter", response.status_code, kept)
    response.headers["Last-Modified"] = MODIFIED_HTTP
    return response


def _bucket(request: Request, name: str, bucket: VolumeFilesDialect, sources: PermittedSources) -> Response:
    query = request.query_params
    region = {"x-amz-bucket-region": _REGION}
    if request.method == "HEAD":
        return Response(headers=region)
    if "location" in query:
        return document("LocationConstraint", (), headers=region)
    if query.get("list-type") != "2":
        return error_document("NotImplemented", "this request is not offered; list keys with list-type=2", 501)
    prefix, delimiter, most = query.get("prefix", ""), query.get("delimiter", ""), _number(query.get("max-keys"))
    token, after = query.get("continuation-token"), query.get("start-after", "")
    first = (f"{after}\0" if after else "") if token is None else _first_of(token)
    listing = _Listing(bucket, sources, prefix, delimiter)
    page = page_of(listing.groups, prefix, delimiter, first, most)
    encode = quote if query.get("encoding-type") == "url" else str
    elements: list[Element] = [("Name", name), ("Prefix", encode(prefix)), ("MaxKeys", most)]
    elements += [("Delimiter", encode(delimiter))] if delimiter else []
    elements += [("StartAfter", encode(after))] if after else []
    elements += [("EncodingType", "url")] if "encoding-type" in query else []
    elements += [("KeyCount", len(page.keys) + len(page.folders)), ("IsTruncated", bool(page.next))]
    elements += [] if token is None else [("ContinuationToken", token)]
    elements += [("NextContinuationToken", _token_of(page.next))] if page.next else []
    for key in page.keys:
        size: Element = ("Size", listing.size(key))
        elements.append(("Contents", [("Key", encode(key)), ("LastModified", MODIFIED), size, _STANDARD]))
    elements += [("CommonPrefixes", [("Prefix", encode(folder))]) for folder in page.folders]
    return document("ListBucketResult", elements, headers=region)


class _Listing:
    """Keys of the sources that may have some with a prefix; a source is opened only if its keys are listed."""

    def __init__(self, bucket: VolumeFilesDialect, sources: PermittedSources, prefix: str, delimiter: str) -> None:
        self._files: dict[str, VolumeFiles] = {}
        self._metadata: dict[str, int] = {}
        self.groups: list[ListedKeys] = []
        for name in sources:
            start = f"{name}/"
            if not start.startswith(prefix) and not prefix.startswith(start):
                continue
            if delimiter and delimiter in start[len(prefix) :]:
                self.groups.append(sorted_keys([start]))  # all of it is one folder
                continue
            self._open(bucket, sources, name)

    def _open(self, bucket: VolumeFilesDialect, sources: PermittedSources, name: str) -> None:
        try:
            files = bucket.files(sources, name)
            metadata = {f"{name}/{path}": len(content) for path, content in files.metadata().items()}
        except NotFound:
            return  # the format has no such volumes
        self._files[name] = files
        self._metadata |= metadata
        self.groups.append(sorted_keys(sorted(metadata)))
        self.groups += [product_keys(f"{name}/{one.start}", one.parts) for one in files.chunk_names()]

    def size(self, key: str) -> int:
        """Return the bytes of an object."""
        if key in self._metadata:
            return self._metadata[key]
        for name, files in self._files.items():
            chunk = files.find(key[len(name) + 1 :]) if key.startswith(f"{name}/") else None
            size = None if chunk is None else files.size(chunk)
            if size is not None:
                return size
        raise NotFound(f"there is no object {key}")


def _number(text: str | None) -> int:
    if text is None:
        return _MOST_KEYS
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f"max-keys is {text!r}; expected a number")
    return min(int(text[:9]), _MOST_KEYS)


def _token_of(first: str) -> str:
    return base64.urlsafe_b64encode(first.encode()).decode()


def _first_of(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("the continuation token is not one of this relay") from error


def _error(error: Exception, request: Request) -> Response:
    code, status = next((one for kind, one in _ERRORS.items() if isinstance(error, kind)), ("InternalError", 500))
    if status >= 500:
        _LOG.error("%s %s failed", request.method, logged_path(request.scope), exc_info=error)
    message = "internal error; see the log of the server" if status == 500 else str(error)
    return error_document(code, message, status, RETRY if status in (503, 507) else {})
