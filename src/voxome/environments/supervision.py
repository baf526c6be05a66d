"""Start of a command under a supervisor, which ends all of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO

from voxome.contracts.environment import Launch
from voxome.environments.supervisors import keep_supervisor, start_supervisor
from voxome.errors import EnvironmentFailed, InvalidInput

Stream = int | IO[bytes] | None
"""File, or its descriptor, as `subprocess` takes them."""


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes
    ----------
    status : int
        Exit status; 128 and the number of the signal, if one ended it.
    is_signal : bool
        Whether a signal ended the process that was started here.
    is_late : bool
        Whether it was ended for its time limit.
    peak_bytes : int
        Peak memory of the command and of those of its processes for which it has waited; 0 if it is not known, as in
        containers.
    """

    status: int
    is_signal: bool = False
    is_late: bool = False
    peak_bytes: int = 0


@contextmanager
def supervising(
    launch: Launch,
    scratch: Path,
    *,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    limit_s: float | None,
    on_start: Callable[[Callable[[], None]], None] | None = None,
) -> Iterator[End]:
    """Run a process to its end; what it leaves to others is there until the caller leaves.

    All of it ends if an exception such as KeyboardInterrupt is raised here, and if this process is killed.

    Raises
    ------
    InvalidInput
        If the program cannot be executed.
    EnvironmentFailed
        If its supervisor was killed.
    """
    with ExitStack() as stack:
        control = start_supervisor(_descriptors(stack, stdin, stdout, stderr))
        stop, is_idle = _Stop(control), False
        try:
            request = {**vars(launch), "variables": dict(launch.variables), "limit_s": limit_s, "scratch": str(scratch)}
            if on_start is not None:
                on_start(stop)
            yield _receive(control, request, launch)
            is_idle = _is_released(control)
        finally:
            stop.end()
            if is_idle:
                keep_supervisor(control)
            else:
                _wait_for_end(control)
                control.close()


def _descriptors(stack: ExitStack, stdin: Stream, stdout: Stream, stderr: Stream) -> list[int]:
    """Return the files of the three streams."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    stack.callback(os.close, nothing)

    def number(stream: Stream, default: int) -> int:
        if stream is None:
            return default
        if stream == subprocess.DEVNULL:
            return nothing
        return stream if isinstance(stream, int) else stream.fileno()

    own = sys.__stderr__.fileno() if sys.__stderr__ is not None else nothing
    output = number(stdout, own)
    return [number(stdin, nothing), output, output if stderr == subprocess.STDOUT else number(stderr, own)]


def _is_released(control: socket.socket) -> bool:
    """Have a supervisor clean up; return whether it has, and waits for the next command."""
    try:
        control.sendall(b"\n")
        return bool(control.recv(1))
    except OSError:
        return False


class _Stop:
    """Function that ends a command; after that has ended, it does nothing: its supervisor may have another one."""

    def __init__(self, control: socket.socket) -> None:
        self._control, self._has_ended, self._lock = control, False, Lock()

    def __call__(self) -> None:
        with self._lock, suppress(OSError):
            if not self._has_ended:
                self._control.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Take note that the command has ended."""
        with self._lock:
            self._has_ended = True


def _wait_for_end(control: socket.socket) -> None:
    """Wait until a supervisor has ended the command and cleaned up."""
    with suppress(OSError):
        control.shutdown(socket.SHUT_WR)
        while control.recv(4096):
            pass


def _receive(control: socket.socket, request: object, launch: Launch) -> End:
    try:
        control.sendall(json.dumps(request).encode() + b"\n")
        with control.makefile("rb") as stream:
            line = stream.readline()
    except OSError:
        line = b""
    if not line.endswith(b"\n"):
        if launch.stop:
            subprocess.run(
                launch.stop, env=dict(launch.variables), stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        raise EnvironmentFailed(
            f"The process that supervised {launch.arguments[0]} was killed, and the command with it; expected its exit "
            "status; rerun"
        )
    answer = json.loads(line)
    if "error" in answer:
        raise InvalidInput(
            f"Cannot execute {launch.arguments[0]} in {launch.folder}: {answer['error']}; expected a program for this "
            "machine, or a script that begins with #! and its interpreter"
        )
    return End(**answer)
