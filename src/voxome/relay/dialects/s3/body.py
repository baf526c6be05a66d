"""The body of a request: out of its frames, limited, with its checksums verified, in memory or on the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.requests import ClientDisconnect, Request

from voxome.relay.dialects.s3.checksums import Checksums
from voxome.relay.dialects.s3.errors import S3Error, not_offered
from voxome.relay.dialects.s3.framing import Frames, FrameSignatures
from voxome.relay.dialects.s3.signature import Signature
from voxome.relay.request_errors import TooLarge, UnfinishedBody
from voxome.relay.threads import RequestThreads

_BATCH_BYTES = 2**20
_STREAMING, _UNSIGNED = "STREAMING-", "UNSIGNED-PAYLOAD"
_FRAMED = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": False,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": True,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": True,
}
"""Ways in which framed bodies are sent → whether their frames are signed."""
_CODING = "aws-chunked"


class Sink(Protocol):
    """Where a body goes."""

    most_bytes: int

    def write(self, data: bytes) -> None:
        """Add data."""

    def finish(self) -> None:
        """Complete what was written."""

    def discard(self) -> None:
        """Remove what was written, unless it was moved elsewhere."""


class MemorySink:
    """A body in memory.

    Parameters
    ----------
    most_bytes : int
        Bytes of the longest body.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.content = most_bytes, bytearray()

    def write(self, data: bytes) -> None:
        """Add data."""
        self.content += data

    def finish(self) -> None:
        """Do nothing: it is complete."""

    def discard(self) -> None:
        """Forget the body."""
        self.content = bytearray()


class FileSink:
    """A body in a new file, which is on the disk at the end.

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int
        Bytes of the longest body.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self.most_bytes = path, most_bytes
        self._file = path.open("xb", buffering=0)

    def write(self, data: bytes) -> None:
        """Add data."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> None:
        """Wait until the content is on the disk."""
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Remove the file, unless it was moved elsewhere."""
        self._file.close()
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Received:
    """A body that was received.

    Attributes
    ----------
    sink : Sink
        Where it is.
    md5 : str
        Its MD5, in hexadecimal digits.
    coding : str
        Its codings without that of the frames, as the header ``Content-Encoding``.
    checksums : dict of str to str
        Checksums that were verified, as headers.
    """

    sink: Sink
    md5: str
    coding: str
    checksums: dict[str, str]


async def receive(request: Request, signature: Signature | None, sink: Sink, threads: RequestThreads) -> Received:
    """Return the body of a request, whose pieces are handled in threads.

    Raises
    ------
    TooLarge
        If it is too long; the rest is not read.
    UnfinishedBody
        If the client leaves before its end.
    S3Error
        If it is damaged, or a checksum is wrong.
    AccessDenied
        If a signature in it is wrong.
    """
    receiver = _Receiver(request, signature, sink)
    batch = bytearray()
    try:
        async for part in request.stream():
            batch += part
            if len(batch) >= _BATCH_BYTES:
                await threads.run(receiver.feed, bytes(batch))
                batch.clear()
    except ClientDisconnect as error:
        raise UnfinishedBody("the request ended before its body was complete; send it again") from error
    await threads.run(receiver.feed, bytes(batch))
    return await threads.run(receiver.finish)


class _Receiver:
    def __init__(self, request: Request, signature: Signature | None, sink: Sink) -> None:
        headers = request.headers
        self._sink, self._size = sink, 0
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        self._checksums = Checksums(headers)
        self._payload = headers.get("x-amz-content-sha256", _UNSIGNED) if signature is None else signature.payload
        codings = [one.strip() for one in headers.get("content-encoding", "").split(",") if one.strip()]
        self._coding = ", ".join(one for one in codings if one.lower() != _CODING)
        self._frames = _frames(self._payload, headers, codings, signature)
        self._length = _length(headers, "x-amz-decoded-content-length")
        announced = self._length if self._frames is not None else _length(headers, "content-length")
        if announced is not None and announced > sink.most_bytes:
            raise _too_large(sink)

    def feed(self, data: bytes) -> None:
        for part in (data,) if self._frames is None else self._frames.feed(data):
            self._size += len(part)
            if self._size > self._sink.most_bytes:
                raise _too_large(self._sink)
            self._md5.update(part)
            self._checksums.update(part)
            if self._frames is None and self._payload != _UNSIGNED:
                self._sha256.update(part)
            self._sink.write(part)

    def finish(self) -> Received:
        trailers: dict[str, str] = {}
        if self._frames is not None:
            self._frames.finish()
            trailers = self._frames.trailers
            if self._length is not None and self._length != self._size:
                raise S3Error("IncompleteBody", f"the body has {self._size} bytes, not the announced {self._length}")
        elif self._payload != _UNSIGNED and self._sha256.hexdigest() != self._payload.lower():
            raise S3Error("XAmzContentSHA256Mismatch", "the body has another SHA-256 than was signed; send it again")
        checksums = self._checksums.verify(trailers)
        self._sink.finish()
        return Received(self._sink, self._md5.hexdigest(), self._coding, checksums)


def _frames(payload: str, headers: Mapping[str, str], codings: list[str], signature: Signature | None) -> Frames | None:
    if payload.startswith(_STREAMING):
        if payload not in _FRAMED:
            raise not_offered(f"a body that is sent as {payload}")
        if _FRAMED[payload] and signature is not None:
            return Frames(FrameSignatures(signature))
        return Frames(None)
    framed = _CODING in (one.lower() for one in codings) or "x-amz-decoded-content-length" in headers
    if framed and payload != _UNSIGNED:  # frames would be what is signed, and not the content
        raise S3Error(
            "InvalidArgument", f"a body in frames is signed as its SHA-256; sign it as {' or '.join(_FRAMED)}"
        )
    return Frames(None) if framed else None


def _length(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise S3Error("InvalidArgument", f"the header {name} is no number of bytes")
    return int(value)


def _too_large(sink: Sink) -> TooLarge:
    return TooLarge(f"the body is over {sink.most_bytes} bytes")
