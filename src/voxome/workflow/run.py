"""Run a workflow, and record everything about it."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

from voxome.blocks.progress import StepReport
from voxome.blocks.runner import is_done, run_step
from voxome.blocks.scheduled import collect_statuses
from voxome.blocks.step import Step, inputs_from_outside
from voxome.config.machine import worker_count
from voxome.contracts.formats import PRIVATE, RUN
from voxome.contracts.records import Event, Ledger
from voxome.contracts.report import FinishedRun, Results
from voxome.contracts.run_record import EngineRecord, RunRecord, TransferRecord
from voxome.engines.choice import EngineChoice, StepEngines
from voxome.errors import PlanError
from voxome.records.choice import OpenRecords, RecordsChoice, records_opener
from voxome.records.folder import lock_folder, map_disk_errors, read_json_or_none, write_json
from voxome.records.scoped import ledger_of
from voxome.redaction import command_line, hide_secrets
from voxome.registry import naming_plugin
from voxome.storage.find import storage_at
from voxome.workflow.input_names import names_of_inputs
from voxome.workflow.mixed.run import MixedRun, run_pending
from voxome.workflow.needed import needed_steps
from voxome.workflow.pending import PENDING
from voxome.workflow.placement import clear_containers, require_capacity
from voxome.workflow.plan import Plan
from voxome.workflow.result_transfers import prepare_destinations, transfer_results
from voxome.workflow.results import RECORD, load_scorer, results_within, write_report
from voxome.workflow.saved_plan import adopt_plan, pending_changes
from voxome.workflow.store import (
    home_address,
    local_folder,
    lock_results,
    run_folder,
    run_id,
    store_address,
    write_record,
)

RECORDED_PACKAGES = ("voxome", "numpy", "numba", "tensorstore", "onnxruntime", "scipy", "pyarrow", "cwltool")
Progress = Callable[[StepReport], None]


def run_plan(
    plan: Plan,
    *,
    out: str | Path,
    store: str | Path | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    progress: Progress | None = None,
    truth: str | Path | None = None,
    fresh: bool = False,
    cache: str | Path | None = None,
    on_changes: Callable[[list[str]], None] | None = None,
) -> RunRecord:
    """Run what was planned; the arguments, the result and the errors are those of `voxome.run`.

    `on_changes` is called, before anything runs, with what the plan changes in the run that the folder holds.
    """
    if truth is not None:
        check_truth(plan, Path(truth))
    check_cache(plan, cache)
    folder = run_folder(out)
    address = store_address(store, folder)
    log, count = folder / PRIVATE / "logs" / "workers.log", worker_count(workers)
    engines = StepEngines(engine, step_names(plan), workers=count, log=log, store=address)
    open_records = records_opener(records)
    with map_disk_errors(folder), lock_folder(folder), lock_results(address, folder):
        require_kind(folder, plan)
        if plan.pending is not None:
            done = run_pending(
                plan, plan.pending, folder, address, workers=count, engine=engine, records=records, progress=progress,
                fresh=fresh, cache=None if cache is None else local_folder(cache),
            )  # fmt: skip
            return _finish_pending(plan, done, folder, address, truth)
        pending_changes(folder, plan, address, fresh=fresh)  # refuses what adopt_plan would, before anything is created
        transfers = _valid_transfers(plan, folder)
        prepare_destinations(plan, folder, address, open_records, fresh=fresh)
        changes = adopt_plan(folder, plan, address, fresh=fresh)
        if changes and on_changes is not None:
            on_changes(changes)
        record = _read_finished(plan, folder, address, progress)
        if record is None:
            record = _run_steps(plan, folder, address, engines, open_records, log, progress, changes)
        record["changes"] = changes
        record["transfers"] = transfers
        record["store"] = None if address == home_address(folder) else address
        _write_record(folder, address, record)
        results = results_within(plan.results, address)
        _evaluate(plan, record, folder, results, truth)
        _write_record(folder, address, record)
        if plan.destinations:
            record["transfers"] = [*transfers]
            for one in transfer_results(
                plan.destinations, folder, address, open_records, workers=count, progress=progress
            ):
                record["transfers"].append(one)
                _write_record(folder, address, record)
    return record


def step_names(plan: Plan) -> list[str]:
    """Return the names of all steps, those that are planned during the run among them."""
    pending = plan.pending.graph.pending if plan.pending else ()
    return [*(step.name for step in plan.steps), *(one.name for one in pending)]


def require_kind(folder: Path, plan: Plan) -> None:
    """Refuse a folder with the run of a workflow of the other kind: with, or without pending steps.

    Raises
    ------
    PlanError
    """
    other, what = (PENDING, "steps of other tools, too") if plan.pending is None else ("plan.json", "blocks only")
    if (folder / PRIVATE / other).exists():
        raise PlanError([f"{folder} has a run of a workflow with {what}; choose another folder, or remove that one"])


def _finish_pending(plan: Plan, done: MixedRun, folder: Path, address: str, truth: str | Path | None) -> RunRecord:
    """Write the record, scores and report of a run with pending steps."""
    record = _record(plan, done.rows, done.began, done.wall_s, done.engines, done.outputs)
    record |= {"values": done.values, "changes": [], "transfers": []}
    record["store"] = None if address == home_address(folder) else address
    _write_record(folder, address, record)
    _evaluate(plan, record, folder, done.results_within(address), truth)
    _write_record(folder, address, record)
    return record


def _evaluate(plan: Plan, record: RunRecord, folder: Path, results: Results, truth: str | Path | None) -> None:
    """Add scores, and the summary of the report, to a record."""
    if truth is not None and plan.hint.scorer is not None:
        with naming_plugin("voxome.scorers", plan.hint.scorer, "failed"):
            record["scores"] = _floats(load_scorer(plan.hint.scorer).score(Path(truth), results))
    if plan.hint.report is not None:
        record["summary"] = write_report(plan.hint.report, FinishedRun(folder, record, results))


def _valid_transfers(plan: Plan, folder: Path) -> list[TransferRecord]:
    """Return the recorded transfers of results that the plan keeps, but those into its own destinations.

    They are saved beside the plan, because a run removes its record before it replaces results, and may be interrupted.
    """
    saved, record = folder / PRIVATE / RECORD, _read_record(folder / RECORD)
    if record is None:
        record = _read_record(saved)
    else:
        write_json(saved, record)
    stored: list[TransferRecord] = [] if record is None else record["transfers"]
    keys, renewed = (
        {name: handle.key for name, handle in plan.outputs.items()},
        {one.label for one in plan.destinations},
    )
    return [one for one in stored if one["key"] == keys.get(one["output"]) and one["destination"] not in renewed]


def _floats(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return scores as plain numbers, which JSON can store."""
    return {group: {name: float(value) for name, value in values.items()} for group, values in scores.items()}


def _write_record(folder: Path, address: str, record: RunRecord) -> None:
    """Write the record into the run folder, and beside the results if they are elsewhere."""
    if address != home_address(folder):
        write_record(address, RECORD, record)
    write_json(folder / RECORD, record)


def check_truth(plan: Plan, truth: Path) -> None:
    """Check that the results can be scored, before there are any.

    Raises
    ------
    PlanError
    """
    scorer = plan.hint.scorer
    if scorer is None:
        raise PlanError([f"{plan.workflow} names no scorer in a hint voxome:Run: leave out --truth"])
    with naming_plugin("voxome.scorers", scorer, "failed"):
        problems = list(load_scorer(scorer).check(truth, plan.results))
    if problems:
        raise PlanError(problems)


def check_cache(plan: Plan, cache: str | Path | None) -> None:
    """Refuse a cache of results of commands for a workflow that has none.

    Raises
    ------
    PlanError
    InvalidInput
        If it is an address.
    """
    if cache is None:
        return
    steps = plan.pending.graph.pending if plan.pending else ()
    if not any(step.runs_as == "command" for step in steps):
        raise PlanError([f"--cache is for results of commands, and {plan.workflow} has none: leave it out"])
    local_folder(cache)


def _read_finished(plan: Plan, folder: Path, store: str, progress: Progress | None) -> RunRecord | None:
    """Return the record of the finished run in `folder` if its results are complete; intermediate data need not be."""
    before = _read_record(folder / RECORD)
    if before is None or before.get("plan") != plan.key or not _is_complete(plan, store):
        return None
    started, began = time.time(), time.monotonic()
    for step, record in zip(plan.steps, before["steps"], strict=True):
        record["blocks"] = {"total": step.total, "run": 0, "reused": step.total}
        if progress is not None:
            progress(StepReport(step.name, step.tool, step.key, step.total, reused=step.total, ended=True))
    return {**before, "started_s": started, "wall_s": time.monotonic() - began}


def _read_record(path: Path) -> RunRecord | None:
    """Return the record of a run, or None.

    Raises
    ------
    UnsupportedFormat
        If it is of another version.
    """
    stored = read_json_or_none(path)
    if stored is not None:
        RUN.content(stored, path)
    return cast("RunRecord | None", stored)


def _is_complete(plan: Plan, store: str) -> bool:
    """Whether all results are there and complete."""
    return all(
        kind.is_complete(target)
        for step in plan.steps
        for kind, target in step.targets(store)
        if target.name in step.published
    )


def _run_steps(
    plan: Plan,
    folder: Path,
    store: str,
    engines: StepEngines,
    open_records: OpenRecords,
    log: Path,
    progress: Progress | None,
    changes: list[str],
) -> RunRecord:
    for address in {home_address(folder), store}:
        (storage_at(address) / RECORD).unlink()
    began, clock = time.time(), time.monotonic()
    reports: list[StepReport] = []
    with open_records(folder / PRIVATE, "run") as records, engines:
        run, outside = run_id(folder), inputs_from_outside(plan.steps)
        ledger = ledger_of(records, run)
        details = {"run": run, "plan": plan.key, "engines": engines.to_json(), "changes": changes}
        records.append([Event(began, "run started", details=details)])
        clear_containers(plan.steps, run, engines)
        for step in plan.steps:
            collect_statuses(step, store, ledger)
        needed = needed_steps(plan.steps, store, partial(is_done, ledger=ledger))
        require_capacity((one for one in plan.steps if one.name in needed), lambda step: engines[step.name])
        for step in plan.steps:
            if step.name not in needed:
                reports.append(_skip(step, ledger, progress))
                continue
            records.append([Event(time.time(), "step started", step.name, {"key": step.key})])
            engine = engines[step.name]
            with names_of_inputs(plan.names.get(step.name, {})):
                report = run_step(step, store, engine, ledger, log=log, progress=progress, run=run, outside=outside)
            reports.append(report)
            records.append([Event(time.time(), "step ended", step.name, asdict(reports[-1]))])
        records.append([Event(time.time(), "run ended", details={"plan": plan.key})])
        steps = {step.name: step for step in plan.steps}
        outputs = {name: handle.within(".").uri for name, handle in plan.outputs.items()}
        rows = [(steps[report.name], report) for report in reports]
        return _record(plan, rows, began, time.monotonic() - clock, engines.to_json(), outputs)


def _skip(step: Step, ledger: Ledger, progress: Progress | None) -> StepReport:
    """Return the report of a step that need not run, with the cost of the run that computed its results."""
    worker_s, peak_bytes = ledger.usage(step.key)
    report = StepReport(
        step.name,
        step.tool,
        step.key,
        step.total,
        reused=step.total,
        worker_s=worker_s,
        peak_bytes=peak_bytes,
        ended=True,
    )
    if progress is not None:
        progress(report)
    return report


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that are installed, and of Python."""
    versions = {"python": sys.version.split()[0]}
    for name in RECORDED_PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _record(
    plan: Plan,
    rows: Sequence[tuple[Step | None, StepReport]],
    began: float,
    wall_s: float,
    engines: list[EngineRecord],
    outputs: dict[str, str],
) -> RunRecord:
    content = {
        "workflow": plan.workflow,
        "plan": plan.key,
        "inputs": dict(plan.inputs),
        "unpinned": sorted(name for name, h in plan.inputs.items() if isinstance(h, dict) and h.get("unpinned")),
        "warnings": list(plan.warnings),
        "versions": package_versions(),
        "engines": engines,
        "command": command_line([hide_secrets(one, plan.secrets) for one in sys.argv]),
        "host": platform.node(),
        "started_s": began,
        "wall_s": wall_s,
        "steps": [
            {
                "name": r.name,
                "tool": r.tool,
                "version": "" if step is None else step.version,
                "key": r.key,
                "parameters": {} if step is None else dict(step.parameters),
                "seeds": {} if step is None else {k: v for k, v in step.parameters.items() if k == "seed"},
                "blocks": {"total": r.total, "run": r.run, "reused": r.reused},
                "wall_s": round(r.wall_s, 3),
                "worker_s": round(r.worker_s, 3),
                "peak_bytes": r.peak_bytes,
            }
            for step, r in rows
        ],
        "outputs": outputs,
    }
    return cast("RunRecord", RUN.stamp(content))
