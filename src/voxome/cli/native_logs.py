"""Log lines of compiled libraries, which write to file descriptor 2 whatever Python's logging is set to."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_LOG_LINE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ [^\]\n]*:\d+\] |WARNING: All log messages before absl::InitializeLog"
)
"""Start of a line that absl or the AWS SDK logs; of those of fatal errors, which begin with F, none is hidden.

Before absl is initialised, the seconds of its time are those since 1970.
"""
_FIRST_BYTES = b"IWE"
_JOIN_S = 1.0


@contextmanager
def hidden_native_logs() -> Iterator[None]:
    """Keep log lines of compiled libraries off standard error; errors reach the user as exceptions.

    All else that is written to the file descriptor is passed on, by a thread; Python's own standard error is not
    redirected.
    """
    sys.stderr.flush()
    try:
        real = os.dup(_STDERR)
    except OSError:  # closed
        yield
        return
    pipe, end = os.pipe()
    os.dup2(end, _STDERR)
    os.close(end)
    python, direct = sys.stderr, _is_descriptor_2()
    if direct:
        sys.stderr = open(real, "w", buffering=1, encoding=python.encoding, errors=python.errors, closefd=False)  # noqa: SIM115
    thread = threading.Thread(target=_pass_on, args=(pipe, real), name="native logs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        if direct:
            sys.stderr = python
        os.dup2(real, _STDERR)
        thread.join(_JOIN_S)
        if not thread.is_alive():  # else a process that was started here still writes to the pipe
            os.close(real)


def _is_descriptor_2() -> bool:
    try:
        return sys.stderr.fileno() == _STDERR
    except (OSError, ValueError, AttributeError):
        return False


def _pass_on(pipe: int, real: int) -> None:
    """Copy what comes from a pipe, but for log lines."""
    rest = b""
    while data := os.read(pipe, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        wanted = b"".join(line + b"\n" for line in lines if not _LOG_LINE.match(line))
        if rest and rest[:1] not in _FIRST_BYTES:  # no log line begins so
            wanted, rest = wanted + rest, b""
        _write(real, wanted)
    _write(real, b"" if _LOG_LINE.match(rest) else rest)
    os.close(pipe)


def _write(real: int, data: bytes) -> None:
    while data:
        data = data[os.write(real, data) :]
