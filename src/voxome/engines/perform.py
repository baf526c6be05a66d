"""One job, performed in this process."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from voxome.config.settings import adopt
from voxome.contracts.engine import Job, JobResult, JobStatus
from voxome.engines.isolation import restore_state
from voxome.errors import (
    LESS_MEMORY,
    CorruptData,
    InvalidInput,
    MemoryLimit,
    OutOfMemory,
    TimeLimit,
    UnsupportedFormat,
    VoxomeError,
    describe_lack_of_memory,
)
from voxome.redaction import redact
from voxome.registry import load

_PERMANENT = (InvalidInput, UnsupportedFormat, CorruptData, TimeLimit, MemoryLimit)
"""Errors that another attempt would meet again."""
Task = Callable[[Mapping[str, Any]], JobResult]
"""Takes the payload of a job; entries of the registry group ``voxome.tasks`` are such functions."""


def perform(job: Job, task: Task | None = None, *, log: Path | None = None, quiet: bool = False) -> JobStatus:
    """Call `task` (by default the one that `job` names) with the payload of `job`.

    Parameters
    ----------
    job : Job
        What to perform.
    task : function of a payload, optional
        Replaces the registered one.
    log : path, optional
        File to which the traceback of a failure is appended; standard error if None.
    quiet : bool
        Whether not to write a traceback.

    Returns
    -------
    JobStatus
        ``done`` or ``failed``. Wrong input, unsupported formats, corrupt data, and commands that exceed their limit of
        time or memory would fail again: not retryable.
        Messages and tracebacks are without secrets.
    """
    try:
        found: Task = task or load("voxome.tasks", job.task)
        return JobStatus(job.id, "done", found(job.payload))
    except Exception as error:
        if not quiet:
            _write_traceback(log)
        retryable = not isinstance(error, _PERMANENT)
        kind = OutOfMemory if _is_lack_of_memory(error) else type(error)
        return JobStatus(
            job.id, "failed", error=redact(_describe(error)), error_type=kind.__name__, retryable=retryable
        )


def _describe(error: Exception) -> str:
    if _is_lack_of_memory(error):
        return f"{describe_lack_of_memory(error)}; use {LESS_MEMORY}"
    return str(error) if isinstance(error, VoxomeError) else f"{type(error).__name__}: {error}"


def _is_lack_of_memory(error: Exception) -> TypeGuard[MemoryError]:
    """Return whether the memory of the machine did not suffice, which others use as well."""
    return isinstance(error, MemoryError) and not isinstance(error, MemoryLimit)


def _write_traceback(log: Path | None) -> None:
    text = redact(traceback.format_exc())
    with contextlib.suppress(OSError):
        if log is None:
            print(text, end="", file=sys.stderr)
            return
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)


def perform_in_worker(job: Job) -> JobStatus:
    """Adopt the settings of `job`, perform it, and restore the state of this process, which is not that of the run.

    Parameters
    ----------
    job : Job
        What to perform.

    Returns
    -------
    JobStatus
        As of `perform`; settings that are invalid here are a failure that is not retryable.
    """

    def task(payload: Mapping[str, Any]) -> JobResult:
        adopt(job.settings)
        registered: Task = load("voxome.tasks", job.task)
        return registered(payload)

    with restore_state():
        return perform(job, task)
