"""A folder served over HTTP by nginx, as packaged by Debian, on a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_CONFIG = """
{user}
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  log_format short '$request_method $uri $status $http_range';
  access_log {log} short;
  sendfile on;
  tcp_nopush on;
  {temporary}
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_START_TIMEOUT_S = 5.0


def binary() -> str | None:
    """Return the path of nginx, None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


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
    nginx = binary()
    if nginx is None:
        raise FileNotFoundError("nginx is not installed: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        values = {
            "user": "user root;" if os.getuid() == 0 else "",
            "temporary": " ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY),
            "log": log or "/dev/null",
        }
        config = Path(folder, "nginx.conf")
        config.write_text(_CONFIG.format(**values, port=port, root=root.resolve()))
        with subprocess.Popen([nginx, "-p", folder, "-c", str(config), "-g", "daemon off;"]) as server:
            try:
                _wait_for(port)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nginx did not listen on port {port} within {_START_TIMEOUT_S:g} s")
