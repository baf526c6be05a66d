"""A worker: a process that takes jobs on its standard input, a JSON line each, and answers on its standard output.

It ends when its standard input does, or with its parent: what takes long to import waits until it has seen to that.
What libraries print goes to the standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxome.blocks.memory import give_back, peak_bytes, reset_peak
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat, VoxomeError

if TYPE_CHECKING:
    from voxome.blocks.job import OpenStep

_PR_SET_PDEATHSIG = 1
Run = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Runs the job of a payload; returns ``seconds``, ``peak_bytes`` and what else there is to say."""


_held: dict[str, OpenStep] = {}
"""The step at work, by the path of its JSON."""


def _opened(path: str, store: str) -> OpenStep:
    from voxome.blocks.job import OpenStep
    from voxome.blocks.step import Step

    if path not in _held:
        _held.clear()
        give_back()
        reset_peak()
        _held[path] = OpenStep(Step.from_json(json.loads(Path(path).read_text(encoding="utf-8"))), store)
    return _held[path]


def run_job(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Run what `payload` says: ``step`` (path of its JSON), ``store``, ``phase`` and ``job``; phase -1 folds tables.

    Returns
    -------
    dict
        ``seconds`` and ``peak_bytes``.
    """
    reset_peak()
    began = time.perf_counter()
    opened = _opened(payload["step"], payload["store"])
    if payload["phase"] < 0:
        opened.fold()
    else:
        opened.run(payload["phase"], payload["job"])
    return {"seconds": time.perf_counter() - began, "peak_bytes": peak_bytes()}


def answer(payload: Mapping[str, Any], run: Run = run_job, *, quiet: bool = False) -> dict[str, Any]:
    """Run a job and say how it ended; ``final`` errors would come again. Unless `quiet`, they are printed too."""
    try:
        return {"state": "done", "result": run(payload)}
    except Exception as error:
        if not quiet:
            with contextlib.suppress(OSError):
                traceback.print_exc()
        known = isinstance(error, VoxomeError | MemoryError)
        final = isinstance(error, InvalidInput | UnsupportedFormat | CorruptData)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        return {"state": "failed", "error": message, "result": {"final": final}}


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(run: Run = run_job) -> None:
    """Answer jobs, each a call of `run`, until the standard input ends."""
    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        return
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        payload = json.loads(line)
        replies.write(json.dumps({"id": payload["id"], **answer(payload, run)}) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
