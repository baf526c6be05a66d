"""The answer with an object of a store, of which memory holds a slice at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import anyio.to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voxome.errors import StoreError
from voxome.relay.http import LongResponse
from voxome.relay.stores.store import StoredObject

_SLICE_BYTES = 2**20


@dataclass(frozen=True)
class StoredFile:
    """An object of a store as an answer, which closes its file when it is sent.

    Attributes
    ----------
    found : StoredObject
        The object.
    """

    found: StoredObject
    immutable: bool = False

    @property
    def media_type(self) -> str:
        """Its type, as the client gave it."""
        return self.found.properties.media_type

    @property
    def etag(self) -> str:
        """Validator, with quotes."""
        return self.found.etag

    @property
    def known_etag(self) -> str:
        """The validator."""
        return self.etag

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.found.status.st_size

    def respond(self, part: range, status: int, headers: Mapping[str, str]) -> Response:
        """Return the response with a part of its bytes."""
        if len(part) <= _SLICE_BYTES:
            content = read_slice(self.found.file, part.start, len(part))
            return LongResponse(content, status, headers, self.media_type)
        own = os.fdopen(os.dup(self.found.file.fileno()), "rb", buffering=0)
        return _FileResponse(own, part, status, headers, self.media_type)


def read_slice(file: BinaryIO, start: int, size: int) -> bytes:
    """Return bytes of a file.

    Raises
    ------
    StoreError
        If it has become shorter.
    """
    content = os.pread(file.fileno(), size, start)
    if len(content) == size:
        return content
    pieces = [content]
    while content and (size := size - len(content)):
        start += len(content)
        content = os.pread(file.fileno(), size, start)
        pieces.append(content)
    if size:
        raise StoreError("an object has become shorter while it was read")
    return b"".join(pieces)


class _FileResponse(Response):
    """A response with a part of a file."""

    def __init__(self, file: BinaryIO, part: range, status: int, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, status, {**headers, "Content-Length": str(len(part))}, media_type)
        self._file, self._part = file, part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for start in range(self._part.start, self._part.stop, _SLICE_BYTES):
                size = min(_SLICE_BYTES, self._part.stop - start)
                body = await anyio.to_thread.run_sync(read_slice, self._file, start, size)
                more = start + size < self._part.stop
                await send({"type": "http.response.body", "body": body, "more_body": more})
