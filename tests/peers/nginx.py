"""A folder served over HTTP by nginx."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from peers.process import free_port, listens, running
from peers.requirement import program

_CONFIG = """
{user}
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  log_format short '$request_method $uri $status $http_range';
  access_log {log} short;
  add_header Access-Control-Allow-Origin * always;
  sendfile on;
  tcp_nopush on;
  {temporary}
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def serving(root: Path, *, log: Path | None = None) -> Iterator[str]:
    """Serve a folder; yields the base URL.

    Parameters
    ----------
    root : path
        Folder to serve.
    log : path, optional
        File for the requests: ``METHOD PATH STATUS RANGE``.
    """
    nginx = program("nginx", package="nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        values = {
            "user": "user root;" if os.getuid() == 0 else "",
            "temporary": " ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY),
            "log": log or "/dev/null",
        }
        config = Path(folder, "nginx.conf")
        config.write_text(_CONFIG.format(**values, port=port, root=root.resolve()))
        command = [nginx, "-p", folder, "-c", str(config), "-g", "daemon off;"]
        with running(command, log=Path(folder, "nginx.log"), ready=partial(listens, port)):
            yield f"http://127.0.0.1:{port}"
