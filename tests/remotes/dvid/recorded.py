"""Recorded requests and responses of a real DVID server, as bytes and replayed over a socket."""

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
def exchanges(folder: Path) -> list[dict[str, Any]]:
    """Return all recorded requests with their responses, in order."""
    return [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]


def body(folder: Path, part: dict[str, Any] | None) -> bytes:
    """Return the bytes of a recorded body."""
    if not part:
        return b""
    return part["text"].encode() if "text" in part else gzip.decompress((folder / part["file"]).read_bytes())


def response_body(folder: Path, ending: str, nth: int = 0) -> bytes:
    """Return the response body of the `nth` GET whose path ends with `ending`."""
    requests = [(pair["request"]["method"], pair["request"]["path"], pair) for pair in exchanges(folder)]
    matches = [pair for method, path, pair in requests if method == "GET" and path.endswith(ending)]
    return body(folder, matches[nth]["response"].get("body"))


@contextmanager
def replay_server(folder: Path, *, after: str = "") -> Iterator[str]:
    """Run a server that responses each request with the first recorded response to the same request.

    Only requests after the first whose path ends with `after` are used. Requests that were not recorded get a 418.
    """
    recording = exchanges(folder)
    first = next(i for i, pair in enumerate(recording) if pair["request"]["path"].endswith(after))
    responses: dict[Any, dict[str, Any]] = {}
    for pair in recording[first:]:
        request = pair["request"]
        key = _key(request["method"], request["path"], body(folder, request.get("body")))
        responses.setdefault((*key, request.get("headers", {}).get("Range")), pair["response"])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

        def _respond(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            response = responses.get((*_key(self.command, self.path, sent), self.headers.get("range")))
            data = (
                body(folder, response.get("body")) if response else f"not recorded: {self.command} {self.path}".encode()
            )
            self.send_response(response["status"] if response else 418)
            for name, value in (response or {"headers": {}})["headers"].items():
                if name.lower() in ("content-range", "content-type"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_DELETE = _respond

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
