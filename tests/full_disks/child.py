"""Functions and commands in children of this process, which imports what they need, and never uses it.

A library that has started threads would not survive a fork.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Ended(NamedTuple):
    """How a command ended: its status, negative for a signal, and what it printed on standard error."""

    status: int
    error: str


def import_libraries() -> None:
    """Import what most commands need, once."""
    import voxome.cli.get
    import voxome.cli.put
    import voxome.cli.run
    import voxome.remotes.hdf5
    import voxome.resources.table
    import voxome.services.transfer.run
    import voxome.workflow.cwl
    import voxome.workflow.run  # noqa: F401


def call(function: Callable[[], Any], folder: Path) -> Any:
    """Return what a function returns in a child, by way of JSON."""
    answer = folder / "answer"

    def write() -> int:
        answer.write_text(json.dumps(function()))
        return 0

    if ended := _fork(write, folder):
        raise RuntimeError(ended)
    return json.loads(answer.read_text())


def run(words: list[str], folder: Path) -> Ended:
    """Run a command."""

    def command() -> int:
        from voxome.cli.main import main

        sys.argv = ["voxome", *words]
        os.chdir(folder)
        try:
            main(words)
        except SystemExit as stop:
            return int(stop.code or 0)

    ended = _fork(command, folder)
    return ended or Ended(0, "")


def _fork(function: Callable[[], int], folder: Path) -> Ended | None:
    """Call a function in a child; return how that ended, None if well."""
    with (folder / "stderr").open("w+") as errors:
        child = os.fork()
        if child == 0:
            os.dup2(errors.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            status = 99
            try:
                status = function()
            except BaseException as error:
                print(f"Traceback: {error!r}", file=sys.stderr)
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, code = os.waitpid(child, 0)
        errors.seek(0)
        status = os.waitstatus_to_exitcode(code)
        return Ended(status, errors.read()) if status else None
