"""A server of the tests: a process with a free port of the loopback interface, stopped by its id."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    timeout_s: float = 60.0,
    stop_timeout_s: float = 20.0,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that stays in the foreground, until the caller leaves.

    Parameters
    ----------
    command : sequence
        The server and its arguments.
    log : path
        File for what it prints.
    ready : callable
        Whether the server answers.
    timeout_s : float
        How long it may take to start.
    stop_timeout_s : float
        How long it may take to stop before it is killed.
    user : str, optional
        User of the process, if not this one.
    environment : mapping, optional
        Its environment variables, if not those of this process.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            env=environment,
            start_new_session=True,
        )
        try:
            _wait(process, ready, log, timeout_s)
            yield process
        finally:
            _stop(process, stop_timeout_s)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on.

    It is below those that Linux and macOS give to sockets without one: no connection of another test gets it meanwhile.
    """
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Whether somebody listens on a port of the loopback interface."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def succeeds(*command: str, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a command ends with status 0."""
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            reason = f"ended with status {process.returncode}"
        elif time.monotonic() > end:
            reason = f"was not ready within {timeout_s:g} s"
        else:
            time.sleep(0.05)
            continue
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{process.args!r} {reason}:\n{tail}")


def _stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
