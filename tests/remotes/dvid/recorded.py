"""Answers of a real DVID server, from the shared recording: as bytes, and given again over a real socket."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ROOT = "4e1f0a7c9d3b4f6a8c2e5d7b9a1c3e50"
EDITED = "5a2b7c3d9e4f40618a7b6c5d4e3f2a10"
_IGNORED = {"u", "app"}


@cache
def pairs(folder: Path) -> list[dict[str, Any]]:
    """All recorded requests with their answers, in order."""
    return [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]


def body(folder: Path, part: dict[str, Any] | None) -> bytes:
    """The bytes of a recorded body."""
    if not part:
        return b""
    return part["text"].encode() if "text" in part else gzip.decompress((folder / part["file"]).read_bytes())


def answer(folder: Path, ending: str, nth: int = 0) -> bytes:
    """The body of the answer to the `nth` GET whose path ends so."""
    asked = [(pair["request"]["method"], pair["request"]["path"], pair) for pair in pairs(folder)]
    found = [pair for method, path, pair in asked if method == "GET" and path.endswith(ending)]
    return body(folder, found[nth]["response"].get("body"))


@contextmanager
def giving(folder: Path, *, after: str = "") -> Iterator[str]:
    """A server that answers as the real one did, each request by the first one like it in the recording.

    Only requests after the first whose path ends with `after` count. One that was not recorded is answered with 418.
    """
    known = pairs(folder)
    first = next(i for i, pair in enumerate(known) if pair["request"]["path"].endswith(after))
    answers: dict[Any, dict[str, Any]] = {}
    for pair in known[first:]:
        request = pair["request"]
        key = _key(request["method"], request["path"], body(folder, request.get("body")))
        answers.setdefault((*key, request.get("headers", {}).get("Range")), pair["response"])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet."""

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            found = answers.get((*_key(self.command, self.path, sent), self.headers.get("range")))
            data = body(folder, found.get("body")) if found else f"not recorded: {self.command} {self.path}".encode()
            self.send_response(found["status"] if found else 418)
            for name, value in (found or {"headers": {}})["headers"].items():
                if name.lower() in ("content-range", "content-type"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_DELETE = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _key(method: str, path: str, sent: bytes) -> tuple[Any, ...]:
    parts = urlsplit(path)
    query = tuple(sorted(pair for pair in parse_qsl(parts.query) if pair[0] not in _IGNORED))
    try:
        content: Any = json.dumps(json.loads(sent), sort_keys=True)
    except ValueError:
        content = sent
    return method, unquote(parts.path), query, content
