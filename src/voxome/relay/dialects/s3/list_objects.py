"""List the objects of a bucket, a page at a time."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from voxome.contracts.volume_files import VolumeFiles
from voxome.errors import InvalidInput, NotFound
from voxome.relay.dialects.s3.body import Received
from voxome.relay.dialects.s3.buckets import REGION
from voxome.relay.dialects.s3.call import S3Call
from voxome.relay.dialects.s3.documents import MODIFIED, Element, document, modified, require_xml
from voxome.relay.dialects.s3.listing import LAST, Page, page_of, product_keys, sorted_keys
from voxome.relay.dialects.s3.listing import Keys as ListedKeys
from voxome.relay.dialects.s3.operation import WithoutBody
from voxome.relay.files import FileAnswer
from voxome.relay.stores.store import Store
from voxome.relay.virtual.variants import variant_in

_MOST_KEYS = 1000
_MOST_READ_BYTES = 2**28
"""Bytes of objects that are read for the ETags of a page, where these are not known."""
_STANDARD: Element = ("StorageClass", "STANDARD")


@dataclass(frozen=True)
class _Request:
    """What both versions of the request have in common.

    Attributes
    ----------
    prefix, delimiter : str
        Beginning of the keys, and what ends a folder.
    most : int
        Entries of a page.
    url : bool
        Whether keys are encoded as in URLs.
    """

    prefix: str
    delimiter: str
    most: int
    url: bool

    @classmethod
    def of(cls, query: Mapping[str, str]) -> _Request:
        """Return the request with these parameters."""
        encoding = query.get("encoding-type", "")
        if encoding not in ("", "url"):
            raise InvalidInput(f"encoding-type is {encoding!r}; expected url")
        for name in () if encoding else ("prefix", "delimiter", "marker", "start-after"):
            require_xml(name, query.get(name, ""))
        most = _number(query.get("max-keys"))
        return cls(query.get("prefix", ""), query.get("delimiter", ""), most, encoding == "url")

    def encode(self, text: str) -> str:
        """Return a key as the answer has it."""
        return quote(text) if self.url else text

    def elements(self, call: S3Call) -> list[Element]:
        """Return what the answer repeats of the request."""
        elements: list[Element] = [("Name", call.bucket), ("Prefix", self.encode(self.prefix)), ("MaxKeys", self.most)]
        elements += [("Delimiter", self.encode(self.delimiter))] if self.delimiter else []
        return elements + ([("EncodingType", "url")] if self.url else [])


class ListObjects(WithoutBody):
    """List a bucket, version 1: from a key on, which is named."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return a page."""
        query = call.request.query_params
        wanted, marker = _Request.of(query), query.get("marker", "")
        ends = bool(wanted.delimiter) and marker.endswith(wanted.delimiter) and len(marker) > len(wanted.prefix)
        listing, page = _page(call, wanted, marker + LAST if ends else f"{marker}\0" if marker else "")
        elements = [*wanted.elements(call), ("Marker", wanted.encode(marker)), ("IsTruncated", bool(page.next))]
        last = max([*page.keys, *page.folders], default="")
        elements += [("NextMarker", wanted.encode(last))] if page.next else []
        return _document(elements, listing.entries(page, wanted))


class ListObjectsV2(WithoutBody):
    """List a bucket, version 2: from a token on."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Return a page."""
        query = call.request.query_params
        wanted, after, token = _Request.of(query), query.get("start-after", ""), query.get("continuation-token")
        first = (f"{after}\0" if after else "") if token is None else _first_of(token)
        listing, page = _page(call, wanted, first)
        elements = wanted.elements(call)
        elements += [("StartAfter", wanted.encode(after))] if after else []
        elements += [("KeyCount", len(page.keys) + len(page.folders)), ("IsTruncated", bool(page.next))]
        elements += [] if token is None else [("ContinuationToken", token)]
        elements += [("NextContinuationToken", _token_of(page.next))] if page.next else []
        return _document(elements, listing.entries(page, wanted))


def _page(call: S3Call, wanted: _Request, first: str) -> tuple[_Listing, Page]:
    listing = _Listing(call, wanted.prefix, wanted.delimiter)
    return listing, page_of(listing.groups, wanted.prefix, wanted.delimiter, first, wanted.most)


def _document(elements: list[Element], entries: Iterable[Element]) -> Response:
    return document("ListBucketResult", [*elements, *entries], headers=REGION)


class _Listing:
    """Keys that may begin with a prefix; a source is opened only if its keys are listed."""

    def __init__(self, call: S3Call, prefix: str, delimiter: str) -> None:
        self._call = call
        self._files: dict[str, VolumeFiles] = {}
        self._metadata: dict[str, bytes] = {}
        self._unread = _MOST_READ_BYTES
        self._stores = call.all_sources.stores if call.has_objects else {}
        self.groups: list[ListedKeys] = []
        for name in self._names(prefix):
            start = f"{name}/"
            if not start.startswith(prefix) and not prefix.startswith(start):
                continue
            if delimiter and delimiter in start[len(prefix) :]:
                self.groups.append(sorted_keys([start]))  # all of it is one folder
            elif name in self._stores:
                self.groups.append(_store_keys(name, self._stores[name]))
            else:
                self._open(name)

    def entries(self, page: Page, wanted: _Request) -> Iterator[Element]:
        """Yield the entries of a page."""
        for key in page.keys:
            values = self._values(key)
            if values:
                yield ("Contents", [("Key", wanted.encode(key)), *values, _STANDARD])
        for folder in page.folders:
            yield ("CommonPrefixes", [("Prefix", wanted.encode(folder))])

    def _names(self, prefix: str) -> Iterator[str]:
        """Yield the sources and stores that the caller may read, and what a prefix names: of a store, or a variant."""
        yield from self._call.sources
        variant = variant_in(prefix)
        if variant in self._call.all_sources and self._call.sources.rights(variant).may_read(self._call.caller):
            yield variant
        stores = self._call.all_sources.stores
        readable = {name for name, store in stores.items() if store.rights.may_read(self._call.caller)}
        if self._call.has_objects:
            yield from readable
            return
        found = self._call.all_sources.find_store(prefix)
        if found is not None and found[0].name in readable:
            parts = prefix.split("/")
            paths = ("/".join(parts[:count]) for count in range(1, len(parts)))
            yield from (path for path in paths if path in self._call.all_sources)

    def _open(self, name: str) -> None:
        try:
            files = self._call.files.files(self._call.sources, name)
            metadata = {f"{name}/{path}": content for path, content in files.metadata().items()}
        except NotFound:
            return  # the format has no such volumes
        self._files[name] = files
        self._metadata |= metadata
        self.groups.append(sorted_keys(sorted(metadata)))
        self.groups += [product_keys(f"{name}/{one.start}", one.parts) for one in files.chunk_names()]

    def _values(self, key: str) -> list[Element]:
        """Return time and size of an object; nothing if it was deleted since it was found."""
        place = self._call.all_sources.find_store(key) if self._stores else None
        if place is not None:
            status = place[0].status(place[1])
            return [] if status is None else [*self._etag(*place), *_values_of(status)]
        if key in self._metadata:
            content = self._metadata[key]
            return [("ETag", FileAnswer(content).etag), ("LastModified", MODIFIED), ("Size", len(content))]
        for name, files in self._files.items():
            chunk = files.find(key[len(name) + 1 :]) if key.startswith(f"{name}/") else None
            size = None if chunk is None else files.size(chunk)
            if size is not None:
                return [("LastModified", MODIFIED), ("Size", size)]
        raise NotFound(f"there is no object {key}")

    def _etag(self, store: Store, key: str) -> list[Element]:
        """Return the ETag of an object, unless too much would have to be read for those of a page."""
        found = store.etag(key, self._unread)
        if found is None:
            return []
        self._unread -= found[1]
        return [("ETag", found[0])]


def _values_of(status: os.stat_result) -> list[Element]:
    return [("LastModified", modified(status.st_mtime)), ("Size", status.st_size)]


def _store_keys(name: str, store: Store) -> ListedKeys:
    start, walk = f"{name}/", store.walk()

    def from_first(first: str, prefix: str) -> Iterator[str]:
        if first >= start + LAST:
            return
        inner = first[len(start) :] if first.startswith(start) else ""
        yield from (start + key for key in walk.keys(inner, prefix[len(start) :]))

    return from_first


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
