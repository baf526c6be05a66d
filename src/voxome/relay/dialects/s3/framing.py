"""Bodies in frames (``aws-chunked``), each of which may be signed, with checksums behind them.

Source: Amazon S3 API reference, "Signature calculations for the Authorization header: transferring a payload in
multiple chunks", and "… including trailing headers".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from voxome.errors import AccessDenied
from voxome.relay.dialects.s3.errors import S3Error
from voxome.relay.dialects.s3.signature import Signature

_HEAD = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_EMPTY = hashlib.sha256(b"").hexdigest()
_LONGEST_LINE, _MOST_TRAILERS = 4096, 16
_SIGNATURE = "x-amz-trailer-signature"


@dataclass
class FrameSignatures:
    """Checks that the frames of a body are signed, each with the signature of the one before.

    Parameters
    ----------
    signature : Signature
        That of the request, with which the first frame is signed.
    """

    signature: Signature
    previous: str = field(init=False)
    content: "hashlib._Hash" = field(init=False)  # noqa: UP037

    def __post_init__(self) -> None:
        self.previous, self.content = self.signature.value, hashlib.sha256()

    def end_frame(self, claimed: str) -> None:
        """Check the signature of a frame whose content was added."""
        self._check("AWS4-HMAC-SHA256-PAYLOAD", [_EMPTY, self.content.hexdigest()], claimed)
        self.content = hashlib.sha256()

    def end_trailers(self, lines: list[str], claimed: str) -> None:
        """Check the signature of the trailers."""
        text = "".join(f"{line}\n" for line in lines)
        self._check("AWS4-HMAC-SHA256-TRAILER", [hashlib.sha256(text.encode()).hexdigest()], claimed)

    def _check(self, algorithm: str, digests: list[str], claimed: str) -> None:
        text = "\n".join([algorithm, self.signature.date, self.signature.scope, self.previous, *digests])
        expected = hmac.digest(self.signature.key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, claimed):
            raise AccessDenied("the signature of a part of the body does not match")
        self.previous = expected


class Frames:
    """Takes a body out of its frames.

    Parameters
    ----------
    signatures : FrameSignatures or None
        Checks each frame, if frames are signed.

    Attributes
    ----------
    trailers : dict of str to str
        Headers behind the body, complete at its end.
    """

    def __init__(self, signatures: FrameSignatures | None) -> None:
        self.trailers: dict[str, str] = {}
        self._signatures = signatures
        self._rest = bytearray()
        self._left, self._claimed = 0, ""
        self._steps = {"head": self._head, "data": self._data, "end": self._end, "trailer": self._trailer}
        self._step = "head"
        self._lines: list[str] = []

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield what a piece of the body contains.

        Raises
        ------
        S3Error
            If it is malformed.
        AccessDenied
            If a signature is wrong.
        """
        self._rest += data
        while self._step != "done":
            found = self._steps[self._step]()
            if found is None:
                return
            if found:
                yield found
        if self._rest:
            raise _malformed("something follows its last frame")

    def finish(self) -> None:
        """Check that the body has ended.

        Raises
        ------
        S3Error
            If it has not.
        """
        if self._step == "trailer" and not self._rest and not self._lines and self._signatures is None:
            return  # some clients leave out the empty line behind the last frame
        if self._step != "done":
            raise S3Error("IncompleteBody", "the body ends before its last frame")

    def _head(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        match = _HEAD.fullmatch(line)
        if match is None or (self._signatures is not None and match[2] is None):
            raise _malformed("a frame has no valid size or signature")
        self._left, self._claimed = int(match[1], 16), (match[2] or b"").decode()
        if self._left:
            self._step = "data"
        else:
            if self._signatures is not None:
                self._signatures.end_frame(self._claimed)
            self._step = "trailer"
        return b""

    def _data(self) -> bytes | None:
        if not self._rest:
            return None
        part = bytes(self._rest[: self._left])
        del self._rest[: self._left]
        self._left -= len(part)
        if self._signatures is not None:
            self._signatures.content.update(part)
        if not self._left:
            self._step = "end"
        return part

    def _end(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        if line:
            raise _malformed("a frame is longer than its size")
        if self._signatures is not None:
            self._signatures.end_frame(self._claimed)
        self._step = "head"
        return b""

    def _trailer(self) -> bytes | None:
        line = self._line()
        if line is None:
            return None
        if line:
            name, mark, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if not mark or name in self.trailers or len(self.trailers) >= _MOST_TRAILERS:
                raise _malformed("its trailers are malformed")
            self.trailers[name] = value
            if name != _SIGNATURE:
                self._lines.append(f"{name}:{value}")
            return b""
        if self._signatures is not None and self._lines:
            self._signatures.end_trailers(self._lines, self.trailers.get(_SIGNATURE, ""))
        self._step = "done"
        return b""

    def _line(self) -> bytes | None:
        """Return the next line, None if its end has not come yet."""
        end = self._rest.find(b"\r\n", 0, _LONGEST_LINE)
        if end < 0:
            if len(self._rest) >= _LONGEST_LINE:
                raise _malformed("a line in it is too long")
            return None
        line = bytes(self._rest[:end])
        del self._rest[: end + 2]
        return line


def _malformed(why: str) -> S3Error:
    return S3Error("InvalidRequest", f"the body is not valid aws-chunked: {why}")
