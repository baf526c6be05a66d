"""Answers that are files: whole or a range, with a validator, for GET and HEAD.

RFC 9110 (conditions and ranges) and RFC 9111 (caches). The content is always sent as it is, never compressed on the
way, so that ranges, lengths and validators are those of one sequence of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voxome.errors import NotFound
from voxome.relay.answer import Answer, cache_headers, whole_response
from voxome.relay.digests import digest_of
from voxome.relay.http import LongResponse
from voxome.relay.lazy import lazy
from voxome.relay.request_errors import NOT_KEPT, PreconditionFailed

RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)
_ETAG = re.compile(r'\s*(W/)?("[^"]*"|[^",\s]+)\s*')


@dataclass(frozen=True)
class FileAnswer:
    """A file whose content is in memory.

    Attributes
    ----------
    content : bytes-like
        All of it.
    media_type : str
        Its type, such as ``application/json``.
    immutable : bool
        Whether its URL has a version, so that caches may keep it without a question.
    """

    content: bytes | bytearray | memoryview
    media_type: str = "application/octet-stream"
    immutable: bool = False

    @lazy
    def etag(self) -> str:
        """Strong validator: the MD5 of the content, so the same in every worker, on every host, after a restart.

        Clients of S3, cloud-files among them, compare it with that of what they have received.
        """
        return f'"{digest_of(self.content)}"'

    @property
    def known_etag(self) -> str:
        """The validator."""
        return self.etag

    @property
    def size(self) -> int:
        """Number of bytes."""
        return memoryview(self.content).nbytes

    def respond(self, part: range, status: int, headers: Mapping[str, str]) -> Response:
        """Return the response with a part of the content."""
        whole = len(part) == self.size
        content = self.content if whole else memoryview(self.content).cast("B")[part.start : part.stop]
        return LongResponse(content, status, headers, self.media_type)


def file_response(request: Request, file: Answer, *, public: bool) -> Response:
    """Return the answer to GET or HEAD of a file.

    Ranges of one part (``a-b``, ``a-``, ``-n``) give 206; lists of ranges and invalid ones give the whole file, as
    RFC 9110 allows. HEAD reads no content, unless it has to be compared with the ETags of a condition.

    Parameters
    ----------
    request : Request
        With its conditions and range.
    file : Answer
        What it asks for.
    public : bool
        Whether everybody may read it; shared caches keep nothing else.
    """
    match, none_match = request.headers.get("if-match", "*"), request.headers.get("if-none-match")
    is_head = request.method == "HEAD"
    compares = any(one is not None and one.strip() != "*" for one in (match, none_match))
    etag = file.known_etag if is_head and not compares else file.etag
    headers = cache_headers(etag, public=public, immutable=file.immutable)
    if not matches_etag(match, etag or "", weak=False):
        message = f"the file is another version: its ETag is {etag}"
        return JSONResponse({"message": message}, 412, headers | NOT_KEPT)
    if none_match is not None and matches_etag(none_match, etag or "", weak=True):
        return Response(status_code=304, headers=headers)
    size = file.size
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(size)}
    if is_head or etag is None:
        return Response(headers=headers, media_type=file.media_type)
    selected = _requested_range(request, etag, size)
    if selected is None:
        return whole_response(file, public=public)
    if not selected:
        return JSONResponse(
            {"message": f"the range is outside the file, which has {size} bytes"},
            416,
            {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes", **NOT_KEPT},
        )
    headers |= {
        "Content-Range": f"bytes {selected.start}-{selected.stop - 1}/{size}",
        "Content-Length": str(len(selected)),
    }
    return file.respond(selected, 206, headers)


def check_write(headers: Headers, current: Callable[[], str | None]) -> None:
    """Check the conditions ``If-Match`` and ``If-None-Match`` of a write.

    Parameters
    ----------
    headers : Headers
        Those of the request.
    current : function
        Returns the ETag of the file, None if it does not exist; called only if there is a condition.

    Raises
    ------
    PreconditionFailed
        If the file is another version.
    NotFound
        If ``If-Match`` names a version of a file that does not exist.
    """
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return
    etag = current()
    if match is not None:
        if etag is None:
            raise NotFound("the file that is to be replaced does not exist")
        if not matches_etag(match, etag, weak=False):
            raise PreconditionFailed(f"the file is another version: its ETag is {etag}")
    if none_match is not None and etag is not None and matches_etag(none_match, etag, weak=True):
        raise PreconditionFailed(f"the file exists already, with the ETag {etag}")


def _requested_range(request: Request, etag: str, size: int) -> range | None:
    """Return the bytes that are requested, none of them if there are no such; None for the whole file."""
    match = RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if (
        match is None
        or not any(match.groups())
        or (condition is not None and not matches_etag(condition, etag, weak=False))
    ):
        return None
    first, last = (None if not digits else _bounded(digits, size) for digits in match.groups())
    if first is None:
        return range(size - (last or 0), size)
    if last is None:
        return range(first, size)
    if _is_less(match[2], match[1]):
        return None
    return range(first, min(last + 1, size))


def _bounded(digits: str, size: int) -> int:
    """Return a number, at most `size`, whatever the count of its digits."""
    significant = digits.lstrip("0")
    return size if len(significant) > len(str(size)) else min(int(significant or "0"), size)


def _is_less(one: str, other: str) -> bool:
    first, second = one.lstrip("0"), other.lstrip("0")
    return (len(first), first) < (len(second), second)


def matches_etag(condition: str, etag: str, *, weak: bool) -> bool:
    """Return whether a list of ETags, quoted or not, has `etag`; weak ones count only for `weak` comparisons."""
    if condition.strip() == "*":
        return True
    return any(
        (weak or not prefix) and value.strip('"') == etag.strip('"') for prefix, value in _ETAG.findall(condition)
    )
