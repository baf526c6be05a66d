"""Fixtures of the remotes' tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class _Handler(SimpleHTTPRequestHandler):
    """Files of a folder; `unpacks`: as buckets do, x.gz is sent for x, with its Content-Encoding."""

    def __init__(self, *args: Any, unpacks: bool, **others: Any) -> None:
        self.unpacks = unpacks
        super().__init__(*args, **others)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        packed = Path(self.translate_path(self.path) + ".gz")
        if not (self.unpacks and packed.is_file()):
            return super().do_GET()
        body = packed.read_bytes()
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve a folder over http; gives its address."""
    with ExitStack() as stack:

        def start(folder: Path, *, unpacks: bool = False) -> str:
            handler = partial(_Handler, directory=str(folder), unpacks=unpacks)
            http = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(http.shutdown)
            return f"http://127.0.0.1:{http.server_port}"

        yield start
