"""The task ``command``: one call of a foreign program, in a worker."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from voxome.contracts.engine import JobResult
from voxome.errors import InvalidInput

EXIT_STATUS = "exit_status"
"""Count of a `JobResult`: exit status of the program, negative for a signal."""
TIMED_OUT = "timed_out"
"""Count of a `JobResult`: 1 if the program was ended at its time limit."""
_PR_SET_PDEATHSIG = 1
_GRACE_S = 5.0


def run_command(payload: Mapping[str, Any]) -> JobResult:
    """Run one command of a foreign process.

    Parameters
    ----------
    payload : mapping
        ``argv``, ``variables`` (the whole environment), ``folder`` (work folder), ``stdin``, ``stdout`` and ``stderr``
        (paths or None), ``log`` (file for what has no other place) and ``limit_s`` (or None).

    Returns
    -------
    JobResult
        Its counts are `EXIT_STATUS` and `TIMED_OUT`: what an exit status means is known to the process only.

    Raises
    ------
    InvalidInput
        If the program does not exist or cannot be executed.
    """
    began = time.monotonic()
    with ExitStack() as files:
        log = files.enter_context(Path(payload["log"]).open("ab"))
        stdin = _open(files, payload["stdin"], "rb", subprocess.DEVNULL)
        stdout, stderr = (_open(files, payload[name], "wb", log) for name in ("stdout", "stderr"))
        try:
            process = subprocess.Popen(
                payload["argv"],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=payload["variables"],
                cwd=payload["folder"],
                start_new_session=True,
                preexec_fn=_end_with_worker() if threading.current_thread() is threading.main_thread() else None,
            )
        except OSError as error:
            raise InvalidInput(
                f"Cannot start {payload['argv'][0]!r}: {error.strerror}; install the program, or correct baseCommand"
            ) from error
        timed_out = _wait(process, payload["limit_s"])
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    counts = {EXIT_STATUS: process.returncode, TIMED_OUT: int(timed_out)}
    return JobResult(time.monotonic() - began, peak_bytes, counts)


def _open(files: ExitStack, path: str | None, mode: str, otherwise: IO[Any] | int) -> IO[Any] | int:
    return otherwise if path is None else files.enter_context(Path(path).open(mode))


def _end_with_worker() -> Any:
    """Return a function by which the kernel kills the program when this process ends."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], limit_s: float | None) -> bool:
    """Wait for the end of a program, ending it and its children at the limit; return whether that was so."""
    try:
        process.wait(limit_s)
        return False
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGTERM)
    except BaseException:
        _signal(process, signal.SIGKILL)
        process.wait()
        raise
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    _signal(process, signal.SIGKILL)
    process.wait()
    return True


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
