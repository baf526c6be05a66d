"""Answers that are stored files, of which only the ranges that are sent are fetched."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voxome.contracts.stored_files import StoredPart
from voxome.errors import InvalidBox
from voxome.relay.answer import cache_headers
from voxome.relay.files import RANGE, matches_etag
from voxome.relay.http import LongResponse
from voxome.relay.request_errors import NOT_KEPT, TooLarge
from voxome.relay.source_errors import SourceUnavailable, hold_memory

_FIRST_BOUND = 2**20
"""Bytes that a file has at least, where its size is unknown, for the relay to look how long it is."""

ReadPart = Callable[[int | None, int | None], StoredPart | None]
"""Returns the bytes of a file from start to stop; None if it does not exist."""


def stored_response(
    request: Request, read: ReadPart, *, media_type: str, public: bool, immutable: bool, most_bytes: int
) -> Response | None:
    """Return the answer to GET or HEAD of a stored file; None if there is none.

    Ranges of one part with a beginning give 206; of a file whose size the store does not tell, ``Content-Range`` has
    ``*`` for it.

    Parameters
    ----------
    request : Request
        With its conditions and range.
    read : function
        Reads the file.
    media_type : str
        Its type.
    public : bool
        Whether everybody may read it.
    immutable : bool
        Whether its URL has a version.
    most_bytes : int
        Limit of what is sent at once.

    Raises
    ------
    TooLarge
        If more is requested.
    SourceUnavailable
        If other requests leave too little memory, or the file is replaced while it is read.
    """
    first = read(0, 0)
    if first is None:
        return None
    etag = f'"{first.state}"'
    headers = {**cache_headers(etag, public=public, immutable=immutable), "Accept-Ranges": "bytes"}
    conditions = request.headers
    if "if-match" in conditions and not matches_etag(conditions["if-match"], etag, weak=False):
        return JSONResponse({"message": f"the file is another version: its ETag is {etag}"}, 412, headers | NOT_KEPT)
    if "if-none-match" in conditions and matches_etag(conditions["if-none-match"], etag, weak=True):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD" and first.size is not None:
        return Response(headers={**headers, "Content-Length": str(first.size)}, media_type=media_type)
    selected = None if request.method == "HEAD" else _selected(request, etag, first.size)
    start, stop = selected or (0, first.size)
    nbytes = _bound(read, start, most_bytes) if stop is None else stop - start
    if nbytes > most_bytes:
        raise TooLarge(f"these are at least {nbytes} bytes; ask for ranges of at most {most_bytes}")
    hold_memory(nbytes)
    if first.size is not None and start >= first.size > 0 and selected:
        return _outside(first.size)
    part = _read(read, start, stop) if selected else read(None, None)
    if part is None and selected:
        return _outside(first.size)
    if part is None or f'"{part.state}"' != etag:
        raise SourceUnavailable("the file was replaced while it was read; repeat the request")
    length = str(len(part.content))
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": length}, media_type=media_type)
    if selected is None:
        return LongResponse(part.content, headers={**headers, "Content-Length": length}, media_type=media_type)
    last, whole = start + len(part.content) - 1, "*" if part.size is None else part.size
    headers |= {"Content-Range": f"bytes {start}-{last}/{whole}", "Content-Length": length}
    return LongResponse(part.content, 206, headers, media_type)


def _selected(request: Request, etag: str, size: int | None) -> tuple[int, int | None] | None:
    """Return the first requested byte, and one past the last; None for the whole file."""
    match = RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if match is None or (condition is not None and not matches_etag(condition, etag, weak=False)):
        return None
    first, last = match[1], match[2]
    if max(len(first), len(last)) > 18 or not (first or last):
        return None
    if not first:
        return None if size is None or int(last) == 0 else (max(0, size - int(last)), size)
    stop = int(last) + 1 if last else size
    if stop is not None and stop <= int(first):
        return None
    return int(first), stop if size is None or stop is None else min(stop, size)


def _bound(read: ReadPart, start: int, most_bytes: int) -> int:
    """Return how many bytes a file of unknown size has from `start` on at most; over `most_bytes` if it has more."""
    nbytes = min(_FIRST_BOUND, most_bytes)
    while _read(read, start + nbytes, start + nbytes + 1) is not None:
        if nbytes == most_bytes:
            return most_bytes + 1
        nbytes = min(4 * nbytes, most_bytes)
        hold_memory(nbytes)
    return nbytes


def _read(read: ReadPart, start: int, stop: int | None) -> StoredPart | None:
    """Return bytes of a file that may be shorter; None if it ends before `start`."""
    try:
        part = read(start, stop)
    except InvalidBox:
        try:
            part = read(start, None)
        except InvalidBox:
            return None
    return part if part is not None and part.content else None


def _outside(size: int | None) -> Response:
    whole = "*" if size is None else size
    headers = {"Content-Range": f"bytes */{whole}", "Accept-Ranges": "bytes", **NOT_KEPT}
    return JSONResponse({"message": f"the range is outside the file, which has {whole} bytes"}, 416, headers)
