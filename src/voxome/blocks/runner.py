"""Run a step: its jobs on an engine, with a ledger, its outputs prepared, folded and completed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voxome.blocks.job_loop import JobBatch, run_jobs
from voxome.blocks.progress import Progress, StepReport
from voxome.blocks.sizes import block_memory_bytes
from voxome.blocks.step import FOLD, Step
from voxome.config.settings import exported
from voxome.contracts.engine import Engine, Resources
from voxome.contracts.handle import Handle
from voxome.contracts.json_text import json_text
from voxome.contracts.records import Ledger


def run_step(
    step: Step,
    store: str,
    engine: Engine,
    ledger: Ledger,
    *,
    log: Path | None = None,
    progress: Progress | None = None,
    run: str | None = None,
    outside: Mapping[str, Handle] = MappingProxyType({}),
) -> StepReport:
    """Run a step; jobs that the ledger says are done are not repeated, unless their data are missing.

    The outputs keep their provenance, where their kind can, with the id of the `run` and its inputs from `outside`.

    Raises
    ------
    RunFailed
        If a job failed permanently; the others were run.
    AlreadyExists
        If something else is where an output is to be.
    """
    began = time.monotonic()
    report = StepReport(step.name, step.tool, step.key, step.total)
    targets = list(step.targets(store))
    if is_lost(step, store, ledger):
        ledger.forget(step.key)
        _cancel_earlier(step, store, engine)
    prepare(step, store)
    notify = progress or (lambda _: None)
    for phase in range(len(step.phases)):
        _run_phase(step, phase, store, engine, ledger, report, notify, log, run)
    if _has_fold(step):
        _run_phase(step, FOLD, store, engine, ledger, report, notify, log, run)
        for kind, target in targets:
            if kind.has_parts:
                kind.drop_parts(target)
    origin = step.provenance(run, outside)
    for kind, target in targets:
        kind.finish(replace(target, provenance=origin))
    report.wall_s = time.monotonic() - began
    report.worker_s, report.peak_bytes = ledger.usage(step.key)
    report.ended = True
    notify(report)
    return report


def _cancel_earlier(step: Step, store: str, engine: Engine) -> None:
    """Cancel jobs that a killed run has left on a cluster: their results, or some of them, are gone."""
    for phase in (*range(len(step.phases)), *((FOLD,) if _has_fold(step) else ())):
        batch = job_batch(step, phase, store)
        engine.cancel([batch.id(number) for number in range(batch.jobs)])


def _run_phase(
    step: Step,
    phase: int,
    store: str,
    engine: Engine,
    ledger: Ledger,
    report: StepReport,
    notify: Progress,
    log: Path | None,
    run: str | None,
) -> None:
    report.reused += sum(_blocks(step, phase, number) for number in ledger.jobs_done(step.key, phase))
    notify(report)

    def on_done(number: int, _: object) -> None:
        report.run += _blocks(step, phase, number)

    batch = job_batch(step, phase, store, run=run or "")
    run_jobs(
        batch,
        engine,
        ledger,
        on_done=on_done,
        on_progress=lambda: notify(report),
        on_retry=report.count_retry,
        log=log,
    )


def job_batch(step: Step, phase: int, store: str, settings: Mapping[str, Any] | None = None, run: str = "") -> JobBatch:
    """Return the jobs of a phase of a step of a run, with the settings of this process by default."""
    path = step.file(store).address
    return JobBatch(
        name=f"step {step.name}",
        key=step.key,
        phase=phase,
        jobs=1 if phase == FOLD else step.jobs(phase),
        task="step",
        payload=lambda number: {"step": path, "store": store, "phase": phase, "job": number, "run": run},
        where=lambda number: _where(step, phase, number),
        resources=_resources(step, phase),
        settings=exported() if settings is None else settings,
    )


def _resources(step: Step, phase: int) -> Resources:
    unbounded = step.is_unbounded(phase)
    return Resources(
        cpus=1 if phase == FOLD else step.spec.cpus,
        memory_bytes=None if unbounded else block_memory_bytes(step),
        gpus=0 if phase == FOLD else step.spec.gpus,
        unbounded_memory=unbounded,
    )


def _blocks(step: Step, phase: int, job: int) -> int:
    if phase == FOLD:
        return 0
    span = step.span(phase)
    return min(span, step.blocks(phase) - job * span)


def _where(step: Step, phase: int, job: int) -> str:
    grid = None if phase == FOLD else step.phases[phase]
    if grid is None:
        return step.name
    span = step.span(phase)
    if step.spec.scope == "groups":
        return f"{step.name}, group {job * span} of {len(grid)}"
    first, last = grid[job * span], grid[min((job + 1) * span, len(grid)) - 1]
    return f"{step.name} at {first.write}" + ("" if first == last else f" to {last.write}")


def prepare(step: Step, store: str) -> None:
    """Write the step's JSON for workers, and create what they write into.

    Raises
    ------
    AlreadyExists
        If something else is where an output is to be.
    """
    step.file(store).write_bytes(json_text(step.to_json(), f"step {step.name}").encode())
    folder = step.file(store).parent
    if folder is not None:
        folder.remove_stale_parts()
    for kind, target in step.targets(store):
        kind.prepare(target)


def is_lost(step: Step, store: str, ledger: Ledger) -> bool:
    """Return whether data of jobs that the ledger lists as done are missing."""
    if not step.file(store).exists():
        return True
    done = [ledger.jobs_done(step.key, phase) for phase in range(len(step.phases))]
    ended = bool(ledger.jobs_done(step.key, FOLD)) if _has_fold(step) else len(done[-1]) == step.jobs(len(done) - 1)
    return any(kind.is_lost(target, done, ended=ended) for kind, target in step.targets(store))


def is_done(step: Step, ledger: Ledger) -> bool:
    """Return whether the ledger has all jobs of a step."""
    phases = range(len(step.phases))
    done = all(len(ledger.jobs_done(step.key, phase)) == step.jobs(phase) for phase in phases)
    return done and (not _has_fold(step) or bool(ledger.jobs_done(step.key, FOLD)))


def _has_fold(step: Step) -> bool:
    return step.spec.scope in ("block", "groups") and any(kind.has_parts for kind in step.spec.outputs.values())
