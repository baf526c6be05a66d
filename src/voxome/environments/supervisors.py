"""Supervisors of commands, and the process that forks them, which is started with the first command."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from voxome.environments import supervisor
from voxome.errors import EnvironmentFailed

_END_TIMEOUT_S = 5.0


class _Server:
    """Process that forks supervisors, and those that have no command now; all end with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._idle: list[socket.socket] = []

    def folder(self) -> Path:
        """Return a folder for temporary files of commands, which is removed with this process, however it ends."""
        with self._lock:
            self._opened()
            assert self._folder is not None
            return self._folder

    def start(self, streams: Sequence[int]) -> socket.socket:
        """Give these standard streams of a command to a supervisor, and return its socket; raises EnvironmentFailed."""
        for _ in range(len(self._idle) + 2):
            control = self._take()
            try:
                socket.send_fds(control, [b"\n"], streams)
                return control
            except OSError as error:
                control.close()
                reason = error
                if not isinstance(error, BrokenPipeError | ConnectionResetError):
                    break  # else it was killed while it had nothing to do
        raise EnvironmentFailed(
            f"Cannot give a command to the process that supervises it: {reason}; check the limits of this user"
        )

    def keep(self, control: socket.socket) -> None:
        """Keep a supervisor for other commands."""
        with self._lock:
            self._idle.append(control)

    def _take(self) -> socket.socket:
        """Return the socket to a supervisor that has no command."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:  # it was killed
                self._close()
            if self._idle:
                return self._idle.pop()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            for _ in range(2):
                try:
                    socket.send_fds(self._opened(), [b"\n"], [theirs.fileno()])
                    return ours
                except OSError as error:
                    reason = error
                    if self._process is not None:
                        self._process.kill()  # else it would remove the folder, which others use
                    self._close()
        ours.close()
        raise EnvironmentFailed(
            f"Cannot start a process that supervises commands: {reason}; check the limits of this user"
        )

    def close(self) -> None:
        """End the process, and supervisors without a command; others stay."""
        with self._lock:
            self._close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def forget(self) -> None:
        """Leave the process to the one that this process was forked from."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.returncode = 0  # it is no child of this process
        self.__init__()  # type: ignore[misc]

    def _opened(self) -> socket.socket:
        if self._socket is None:
            if self._folder is None or not self._folder.exists():
                self._folder = Path(tempfile.mkdtemp(prefix="voxome-")).resolve()
            self._socket, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__, str(theirs.fileno()), str(self._folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        return self._socket

    def _close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            try:
                self._process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._socket = self._process = None


_SERVER = _Server()
atexit.register(_SERVER.close)
os.register_at_fork(after_in_child=_SERVER.forget)
start_supervisor, keep_supervisor, temporary_folder = _SERVER.start, _SERVER.keep, _SERVER.folder
