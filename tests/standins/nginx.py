"""A folder served over http by nginx, as packages of Debian bring it, on a free port of the loopback."""

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
_STARTS_WITHIN_S = 5.0


def binary() -> str | None:
    """The path of nginx; None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def serving(root: Path, *, log: Path | None = None) -> Iterator[str]:
    """The address of a server of `root` while the context lasts.

    Parameters
    ----------
    root : path
        The folder.
    log : path, optional
        Where each request is kept: ``METHOD PATH STATUS RANGE``.
    """
    nginx = binary()
    if nginx is None:
        raise FileNotFoundError("nginx is not installed: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        told = {
            "user": "user root;" if os.getuid() == 0 else "",
            "temporary": " ".join(f"{one}_temp_path {folder}/{one};" for one in _TEMPORARY),
            "log": log or "/dev/null",
        }
        config = Path(folder, "nginx.conf")
        config.write_text(_CONFIG.format(**told, port=port, root=root.resolve()))
        with subprocess.Popen([nginx, "-p", folder, "-c", str(config), "-g", "daemon off;"]) as server:
            try:
                _wait_for(port)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end:
        with closing(socket.socket()) as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nginx does not listen on port {port} after {_STARTS_WITHIN_S:g} s")
