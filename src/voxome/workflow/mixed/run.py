"""Run a workflow of tools of voxome and of others, as one run."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxome.blocks.progress import StepReport
from voxome.blocks.step import Step
from voxome.config.machine import worker_count
from voxome.config.settings import settings
from voxome.contracts.formats import PRIVATE
from voxome.contracts.handle import Handle
from voxome.contracts.records import Event
from voxome.contracts.report import Results
from voxome.contracts.run_record import JsonValue
from voxome.engines.choice import EngineChoice, StepEngines
from voxome.environments import open_environment
from voxome.errors import InvalidInput, RunFailed
from voxome.extras import require
from voxome.records.choice import RecordsChoice, records_opener
from voxome.records.scoped import ledger_of
from voxome.storage.find import storage_at
from voxome.workflow.pending import PendingWork
from voxome.workflow.plan import Plan
from voxome.workflow.results import RECORD, results_within
from voxome.workflow.store import home_address, run_id

if TYPE_CHECKING:
    from voxome.workflow.mixed.block_runner import BlockRunner, RunPlaces
    from voxome.workflow.mixed.executor import MixedExecutor

Row = tuple[Step | None, StepReport]
"""A step of blocks, or None for one of commands, and what it did."""


class MixedRun:
    """What a run of a workflow with pending steps leaves.

    Attributes
    ----------
    rows : list of (Step or None, StepReport)
        Its steps in the order of the plan.
    outputs : dict of str to str
        Outputs that are files, folders, arrays or tables → their paths, relative to the store, or to the run folder.
    values : dict of str to JSON values
        All other outputs.
    results : dict of str to Result
        Arrays and tables that are outputs.
    engines : list of EngineRecord
        What ran the steps.
    began : float
        When it began, in seconds since 1970.
    wall_s : float
        How long it took.
    """

    def __init__(
        self,
        executor: MixedExecutor,
        blocks: BlockRunner,
        outputs: dict[str, Any],
        folder: Path,
        began: float,
        wall_s: float,
        names: list[str],
    ) -> None:
        commands: list[Row] = [(None, self._ended(executor, name)) for name in executor.reports]
        order = {name: number for number, name in enumerate(names)}
        self.rows = sorted([*commands, *blocks.rows], key=lambda row: order.get(row[1].name, len(order)))
        self.results, self.began, self.wall_s = blocks.results, began, wall_s
        self.engines = blocks.engines.to_json()
        self.outputs: dict[str, str] = {}
        self.values: dict[str, JsonValue] = {}
        for name, value in outputs.items():
            plain = _plain_output(value, folder, blocks.places.store)
            is_path = isinstance(value, dict) and isinstance(plain, str)
            (self.outputs if is_path else self.values)[name] = plain

    def results_within(self, store: str) -> Results:
        """Return the results with the address of the store."""
        return results_within(self.results, store)

    @staticmethod
    def _ended(executor: MixedExecutor, name: str) -> StepReport:
        report, keys = executor.reports[name], sorted(executor.keys.get(name, ()))
        key = keys[0] if len(keys) == 1 else hashlib.sha256("".join(keys).encode()).hexdigest()
        return replace(report, key=key[:16], ended=True)


def run_pending(
    plan: Plan,
    pending: PendingWork,
    folder: Path,
    store: str,
    *,
    workers: int | None,
    engine: EngineChoice | None,
    records: RecordsChoice | None,
    progress: Callable[[StepReport], None] | None,
    fresh: bool,
    cache: Path | None,
) -> MixedRun:
    """Run a workflow with pending steps in a locked run folder.

    Jobs whose results are committed, and blocks that are done, are not repeated; `cache` has results of commands of
    other runs.

    Raises
    ------
    RunFailed
        If a step failed; the other branches of the workflow were run.
    """
    require("em", "cwltool")
    from voxome.workflow.foreign.cache import ResultCache
    from voxome.workflow.foreign.command_engine import commands_on
    from voxome.workflow.foreign.contexts import CwlCall, call_cwltool
    from voxome.workflow.foreign.digests import Digests
    from voxome.workflow.foreign.left_jobs import LeftJobs
    from voxome.workflow.foreign.results import JobFolders, remove_tree
    from voxome.workflow.mixed.block_runner import BlockRunner, RunPlaces
    from voxome.workflow.mixed.executor import MixedExecutor
    from voxome.workflow.mixed.tools import make_tool

    private = folder / PRIVATE
    places = RunPlaces(private=private, store=store, log=private / "logs" / "workers.log")
    names = [*(step.name for step in plan.steps), *(one.name for one in pending.graph.pending)]
    engines = StepEngines(engine, names, workers=worker_count(workers), log=places.log, store=store)
    for address in {home_address(folder), store}:
        (storage_at(address) / RECORD).unlink()
    began, clock = time.time(), time.monotonic()
    with (
        records_opener(records)(private, "run") as opened,
        engines,
        commands_on(_engine_of_commands(engines, pending), places.log) as commands,
    ):
        run = run_id(folder)
        ledger, left = ledger_of(opened, run), LeftJobs(commands)
        if fresh:
            left.cancel()
            _forget(places, ledger.forget)
            remove_tree(private / "jobs")
        opened.append([Event(began, "run started", details={"run": run, "engines": engines.to_json()})])
        digests, notify = Digests(), progress or (lambda _: None)
        folders = JobFolders(private / "jobs", digests, left.folders)
        blocks = BlockRunner(
            graph=pending.graph,
            options=pending.options,
            places=places,
            engines=engines,
            records=opened,
            ledger=ledger,
            run_id=run,
            digests=digests,
            scratch=folders.scratch(),
            progress=notify,
        )
        results = None if cache is None else ResultCache(cache, digests)
        executor = MixedExecutor(commands, folders, opened, digests, blocks, notify, results, left)
        environment = pending.options.environment or settings().environment or ""
        if environment and not left.folders:
            open_environment(environment).clear(run)
        call = CwlCall(pending.graph.document, (), folder, run, environment, True, None, pending.inputs)
        printed = io.StringIO()
        status = call_cwltool(call, executor, folders, printed, construct=make_tool, block_runner=blocks)
        wall_s = time.monotonic() - clock
        opened.append([Event(time.time(), "run ended", details={"status": status, "seconds": wall_s})])
        for name in executor.reports:
            notify(replace(executor.reports[name], ended=True))
        if status != 0:
            raise RunFailed(_failure(executor, blocks, pending))
        blocks.remove_others()
        return MixedRun(executor, blocks, json.loads(printed.getvalue()), folder, began, wall_s, names)


def _engine_of_commands(engines: StepEngines, pending: PendingWork) -> Any:
    names = [one.name for one in pending.graph.pending if one.runs_as != "blocks"]
    found = {id(engines[name]): engines[name] for name in names}
    if len(found) > 1:
        raise InvalidInput(
            f"The steps {', '.join(names)} are commands, which run on one engine; give all of them the same one"
        )
    return next(iter(found.values()), None) or engines[pending.graph.pending[0].name]


def _failure(executor: MixedExecutor, blocks: BlockRunner, pending: PendingWork) -> str:
    reasons = [*executor.failures, *blocks.failures] or ["see the log"]
    listed = "\n".join(f"  - {reason}" for reason in reasons)
    return f"{pending.graph.name} failed:\n{listed}\nFix the cause and rerun; finished jobs and blocks are kept."


def _forget(places: RunPlaces, forget: Callable[[str], None]) -> None:
    """Remove the results of steps of blocks, and what is known of them."""
    from voxome.workflow.mixed.block_runner import read_step, remove_step

    for path in places.steps.glob("*.json"):
        step = read_step(path)
        forget(step.key)
        remove_step(step, places.store)
        path.unlink()


def _plain_output(value: Any, folder: Path, store: str) -> Any:
    """Return an output with paths, relative to the run folder, in place of files and handles."""
    from voxome.workflow.cwl_files import file_address, is_file
    from voxome.workflow.mixed.executor import HANDLE

    if isinstance(value, dict) and HANDLE in value:
        return Handle.from_json(value[HANDLE]).uri.replace(store.rstrip("/"), ".", 1)
    if is_file(value):
        path = Path(file_address(value))
        return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    if isinstance(value, dict):
        return {name: _plain_output(one, folder, store) for name, one in value.items()}
    return [_plain_output(one, folder, store) for one in value] if isinstance(value, list) else value
