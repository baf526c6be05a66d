"""Processes that run commands, and end all of one when it ends, runs too long, or loses its caller.

``python -I -S supervisor.py FD FOLDER``, where FD is a socket, forks a supervisor for each message on it, which has a
socket. So a command costs no start of Python. It imports nothing of voxome, ends with its socket, and then removes
FOLDER, which has temporary files of its caller.

A supervisor runs one command after the other. It gets the standard streams of a command and a request on its socket,
and writes how the command ended to it, one line of JSON each; then it waits for a byte, by which the caller says that
it lives, and returns one, when nothing is left of the command. It ends with its socket, and so does its command.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_IS_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None)
_END_TIMEOUT_S = 60.0


def serve(requests: socket.socket) -> None:
    """Fork a supervisor for each message, until the last; the time that commands take is this process's."""
    gc.disable()  # it would write to what supervisors share with this process
    signal.signal(signal.SIGCHLD, lambda *_: _has_children())
    while True:
        files = socket.recv_fds(requests, 1, 1)[1]
        if not files:
            return
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                os.setsid()
                with socket.socket(fileno=files[0]) as control:
                    supervise(control)
            finally:
                os._exit(0)
        os.close(files[0])


def remove(folder: str) -> None:
    """Remove a folder, after the last command that writes to it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    if os.path.exists(folder):  # noqa: PTH110
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        shutil.rmtree(folder, ignore_errors=True)


def supervise(control: socket.socket) -> None:
    """Run the commands of requests, one after the other, until the caller closes its socket or is killed.

    The fields of a request are those of `voxome.contracts.environment.Launch`, and ``limit_s`` and ``scratch``. The
    answer has the fields of `voxome.environments.supervision.End`, or ``error``.
    """
    control.set_inheritable(False)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    for one in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, lambda *_: None)
    silence = os.open(os.devnull, os.O_RDWR)
    while (request := _receive(control)) is not None and _run_request(request, control, woken):
        _use_streams([silence] * 3)
        try:
            control.sendall(b"\n")
        except OSError:
            return


def _receive(control: socket.socket) -> dict[str, Any] | None:
    """Take the streams and the request of a command; None if there is none, or the caller was killed."""
    streams = socket.recv_fds(control, 1, 3)[1]
    if len(streams) < 3:
        return None
    _use_streams(streams)
    for stream in streams:
        os.close(stream)
    line = b""
    while not line.endswith(b"\n"):
        data = control.recv(1 << 16)
        if not data:
            return None
        line += data
    request: dict[str, Any] = json.loads(line)
    return request


def _use_streams(files: list[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)


def _run_request(request: dict[str, Any], control: socket.socket, woken: int) -> bool:
    """Run a command and answer; return whether its caller lives and may have another one."""
    stop = request["stop"]
    if _IS_LINUX:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0 if stop else 1)
    with contextlib.suppress(BlockingIOError):
        os.read(woken, 4096)  # of the command before
    child, error = _start(request)
    if error:
        _answer(control, {"error": error})
        return False
    status, is_late, peak = _wait(child, control, woken, request["limit_s"])
    if status is None or not stop:
        _end(child, all_of_them=not stop)
    is_signal = status is not None and status < 0
    has_stopped = bool(stop) and (status is None or is_signal)
    if has_stopped:
        _run(stop, request["variables"])
    code = 128 + signal.SIGKILL if status is None else status if status >= 0 else 128 - status
    has_caller = _answer(
        control, {"status": code, "is_signal": is_signal, "is_late": is_late, "peak_bytes": 0 if stop else peak}
    ) and _is_released(control)
    if stop and not has_stopped:
        _run(stop, request["variables"])
    if not has_caller:
        remove(request["scratch"])
    return has_caller


def _start(request: dict[str, Any]) -> tuple[int, str]:
    """Return the process id of the command, or why it could not start."""
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if _IS_LINUX:
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(127)
            signal.set_wakeup_fd(-1)
            for one in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(one, signal.SIG_DFL)
            os.chdir(request["folder"])
            os.execve(request["arguments"][0], request["arguments"], request["variables"])
        except OSError as error:
            os.write(writing, (error.strerror or str(error)).encode())
        finally:
            os._exit(127)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:  # noqa: PTH123
        reason = stream.read()
    if reason:
        os.waitpid(child, 0)
    return child, reason


def _wait(child: int, control: socket.socket, woken: int, limit_s: float | None) -> tuple[int | None, bool, int]:
    """Return the status of the command (None if it has not ended by itself), whether it ran too long, and its peak."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), False, usage.ru_maxrss * (1024 if _IS_LINUX else 1)
        left_s = None if deadline is None else deadline - time.monotonic()
        if left_s is not None and left_s <= 0:
            return None, True, 0
        ready = {number for number, _ in poll.poll(None if left_s is None else left_s * 1000)}
        signals = os.read(woken, 4096) if woken in ready else b""
        if control.fileno() in ready or set(signals) - {signal.SIGCHLD}:
            return None, False, 0


def _end(child: int, *, all_of_them: bool) -> None:
    """Kill the process group of the command, and all processes that descend from it or from this process."""
    if not _IS_LINUX:
        _kill(os.killpg, child)
    deadline = time.monotonic() + _END_TIMEOUT_S
    while _has_children() and time.monotonic() < deadline:
        _kill(os.killpg, child)
        for pid in _descendants() if all_of_them else ():
            _kill(os.kill, pid)
        time.sleep(0.002)


def _kill(how: Callable[[int, int], None], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        how(number, signal.SIGKILL)


def _has_children() -> bool:
    """Take note of processes that have ended, and return whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    """Return the ids of all processes below this one."""
    if not _IS_LINUX:
        return []
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
    found = list(children.get(os.getpid(), ()))
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _run(arguments: list[str], variables: dict[str, str]) -> None:
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    with contextlib.suppress(OSError):
        os.waitpid(os.posix_spawn(arguments[0], arguments, variables, file_actions=silent), 0)


def _answer(control: socket.socket, answer: dict[str, Any]) -> bool:
    """Write the answer, and return whether there is still somebody to read it."""
    try:
        control.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        return False
    return True


def _is_released(control: socket.socket) -> bool:
    """Wait for the caller, and return whether it lives and cleans up itself."""
    try:
        return bool(control.recv(1))
    except OSError:
        return False


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        serve(channel)
    remove(sys.argv[2])
