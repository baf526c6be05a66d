"""The tasks of a DAG: ``python -m voxome.workflow.airflow.tasks prepare|perform|finish|record …``.

`perform` needs the store only; the others need the run folder, and lock it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from voxome.blocks.runner import is_done, is_lost, prepare, run_step
from voxome.blocks.scheduled import collect_statuses, perform_group, read_done, write_done
from voxome.blocks.step import Step, inputs_from_outside
from voxome.config.settings import adopt
from voxome.contracts.formats import PRIVATE
from voxome.contracts.records import Ledger
from voxome.engines.local import LocalEngine
from voxome.errors import CorruptData, NotFound, UnknownName, VoxomeError
from voxome.records.choice import records_opener
from voxome.records.folder import lock_folder, map_disk_errors, read_json_or_none
from voxome.records.scoped import ledger_of
from voxome.workflow.needed import needed_steps
from voxome.workflow.saved_plan import read_plan
from voxome.workflow.store import home_address, lock_results, run_id

ARGUMENTS = "schedule.json"
"""File of the run folder with the arguments of ``voxome run`` and settings, which `record` takes."""


@dataclass(frozen=True)
class _OpenRun:
    """A locked run folder: its steps, store, ledger and id."""

    steps: Sequence[Step]
    store: str
    ledger: Ledger
    run: str

    def step(self, name: str) -> Step:
        for step in self.steps:
            if step.name == name:
                return step
        raise UnknownName.of("step", name, [step.name for step in self.steps])


@contextmanager
def _open_run(folder: Path, records: str | None) -> Iterator[_OpenRun]:
    adopt(_read_arguments(folder)["settings"])
    with map_disk_errors(folder), lock_folder(folder):
        saved = read_plan(folder)
        if saved is None:
            raise NotFound(f"{folder} has no plan; run `voxome schedule` again")
        store = saved.store or home_address(folder)
        steps = [Step.from_json(step) for step in saved.steps.values()]
        with (
            lock_results(store, folder),
            records_opener(records)(folder / PRIVATE, "run") as opened,
        ):
            run = run_id(folder)
            yield _OpenRun(steps, store, ledger_of(opened, run), run)


def prepare_step(folder: Path, name: str, records: str | None = None) -> None:
    """Create what the jobs of a step write into, and write which of them are done.

    Raises
    ------
    RunLocked, NotFound, UnknownName, StoreError, AlreadyExists
        If the folder is in use or has no such step, or its results cannot be created.
    """
    with _open_run(folder, records) as run:
        step = run.step(name)
        collect_statuses(step, run.store, run.ledger)
        needed = name in needed_steps(run.steps, run.store, partial(is_done, ledger=run.ledger))
        if needed:
            if is_lost(step, run.store, run.ledger):
                run.ledger.forget(step.key)
            prepare(step, run.store)
        write_done(step, run.store, run.ledger, needed=needed)


def finish_step(folder: Path, name: str, records: str | None = None) -> None:
    """Record the jobs of a step that are done, perform the others here, and complete its outputs.

    Raises
    ------
    RunLocked, NotFound, UnknownName, StoreError, RunFailed
        If the folder is in use, the step was not prepared, or a job failed.
    """
    with _open_run(folder, records) as run:
        step = run.step(name)
        needed = read_done(step.key, run.store)["needed"]
        collect_statuses(step, run.store, run.ledger)
        if needed:
            log = folder / PRIVATE / "logs" / "workers.log"
            with closing(LocalEngine(workers=1, log=log)) as engine:
                outside = inputs_from_outside(run.steps)
                run_step(step, run.store, engine, run.ledger, log=log, run=run.run, outside=outside)


def _read_arguments(folder: Path) -> dict[str, Any]:
    path = folder / PRIVATE / ARGUMENTS
    content = read_json_or_none(path)
    if content is None:
        raise CorruptData(f"{path} is missing or damaged; run `voxome schedule` again")
    return content


def _record(folder: Path) -> None:
    """Replace this process by ``voxome run`` with the arguments of ``voxome schedule``."""
    stored = _read_arguments(folder)
    os.chdir(str(stored["directory"]))
    os.execv(sys.executable, [sys.executable, "-m", "voxome.cli.main", "run", *stored["arguments"]])


def main(arguments: Sequence[str]) -> int:
    """Perform a task, and return the exit status."""
    parser = argparse.ArgumentParser("voxome.workflow.airflow.tasks", allow_abbrev=False)
    tasks = parser.add_subparsers(dest="task", required=True)
    for name in ("prepare", "finish"):
        task = tasks.add_parser(name)
        task.add_argument("folder", type=Path)
        task.add_argument("step")
        task.add_argument("--records")
    task = tasks.add_parser("perform")
    task.add_argument("key")
    task.add_argument("store")
    for name in ("phase", "group", "groups"):
        task.add_argument(f"--{name}", type=int, required=True)
    tasks.add_parser("record").add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.task == "perform":
            return perform_group(options.key, options.store, options.phase, options.group, options.groups)
        if options.task == "record":
            _record(options.folder)
        {"prepare": prepare_step, "finish": finish_step}[options.task](options.folder, options.step, options.records)
    except VoxomeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
