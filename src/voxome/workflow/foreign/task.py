"""The task ``command``: one call of a foreign program, in a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from voxome.contracts.engine import JobResult
from voxome.contracts.environment import Command
from voxome.environments.call import call
from voxome.environments.supervision import End
from voxome.errors import TimeLimit
from voxome.registry import factory

TASK = "command"
"""Its name."""
EXIT_STATUS = "exit_status"
"""Count of a `JobResult`: exit status of the program, 128 and its number for a signal."""
TIMED_OUT = "timed_out"
"""Count of a `JobResult`: 1 if the program was ended at its time limit."""


def run_command(
    payload: Mapping[str, Any], *, on_start: Callable[[Callable[[], None]], None] | None = None
) -> JobResult:
    """Run one command of a foreign process.

    Parameters
    ----------
    payload : mapping
        ``environment`` (its name, with options), ``command`` (JSON of a `Command`), ``stdin``, ``stdout`` and
        ``stderr`` (paths or None), ``log`` (file for what has no other place) and ``limit_s`` (or None).
    on_start : function, optional
        As of `voxome.environments.call.call`.

    Returns
    -------
    JobResult
        Its counts are `EXIT_STATUS` and `TIMED_OUT`: what an exit status means is known to the process only.
    """
    began = time.monotonic()
    environment = factory("voxome.environments", payload["environment"])()
    command = Command.from_json(payload["command"])
    counts = {EXIT_STATUS: 0, TIMED_OUT: 0}
    ends: list[End] = []
    with ExitStack() as files:
        log = files.enter_context(Path(payload["log"]).open("ab"))
        stdin = None if payload["stdin"] is None else files.enter_context(Path(payload["stdin"]).open("rb"))
        stdout = _open(files, payload["stdout"], log)
        stderr = stdout if payload["stderr"] == payload["stdout"] else _open(files, payload["stderr"], log)
        try:
            counts[EXIT_STATUS] = call(
                environment,
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                limit_s=payload["limit_s"],
                on_start=on_start,
                on_end=ends.append,
            )
        except TimeLimit:
            counts = {EXIT_STATUS: 128 + 15, TIMED_OUT: 1}
    return JobResult(time.monotonic() - began, sum(end.peak_bytes for end in ends), counts)


def _open(files: ExitStack, path: str | None, log: IO[bytes]) -> IO[bytes]:
    return log if path is None else files.enter_context(Path(path).open("wb"))
