"""``voxome plan``: check and size a run before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.into import Into, IntoDrop, IntoExisting, IntoLevels, IntoVerify, read_copies
from voxome.cli.options import (
    AllowNetwork,
    Blocks,
    BoxText,
    Cache,
    CoreWorkers,
    Engines,
    EnvironmentName,
    Force,
    Fresh,
    Job,
    Level,
    MaxFailures,
    Records,
    RunArguments,
    Settings,
    Store,
    Truth,
    VoxelSize,
    Workflow,
    read_arguments,
    read_options,
)
from voxome.cli.table import show_table
from voxome.config.settings import configure
from voxome.geometry.notation import comma_text

if TYPE_CHECKING:
    from voxome.blocks.step import Step
    from voxome.workflow.graph import PendingStep
    from voxome.workflow.options import RunOptions
    from voxome.workflow.plan import Plan
    from voxome.workflow.preview import Preview

_COLUMNS = ["step", "tool", "version", "block", "blocks", "voxels read", "memory per job", "written", "invariance"]
_LEAST = ["version", "invariance", "block", "tool"]
"""Columns that a narrow terminal leaves out."""


def plan_text(plan: Plan) -> str:
    """Return the name and the size of a plan."""
    blocks = sum(step.total for step in plan.steps)
    steps = "1 step" if len(plan.steps) == 1 else f"{len(plan.steps)} steps"
    pending = len(plan.pending.graph.pending) if plan.pending else 0
    others = f", {pending} planned during the run" if pending else ""
    return f"{plan.workflow}: {steps}, {'1 block' if blocks == 1 else f'{blocks:,} blocks'}{others}"


def step_names(plan: Plan) -> list[str]:
    """Return the names of the steps of a plan, and of the copies into other stores after them."""
    pending = plan.pending.graph.pending if plan.pending else ()
    names = [*(step.name for step in plan.steps), *(one.name for one in pending)]
    return [*names, *(name for one in plan.destinations for name in one.steps)]


def plan_workflow(
    workflow: str,
    job: str | None,
    settings: list[str] | None,
    options: RunOptions,
    store: str | None,
    workers: int | None,
    *,
    allow_network: bool,
) -> tuple[Plan, RunArguments]:
    """Plan a workflow with the arguments of the command line; those of a job file come with the plan."""
    from voxome.workflow.mixed.outline import read_workflow
    from voxome.workflow.plan import make_plan

    if allow_network:
        configure(allow_network=True)
    graph = read_workflow(workflow)
    arguments = read_arguments(graph, workflow, job, settings, options, store, workers)
    return make_plan(graph, arguments.inputs, arguments.options), arguments


def show_warnings(plan: Plan, preview: Preview) -> None:
    """Print what the user should know before a run."""
    for warning in (*plan.warnings, *preview.warnings):
        print_stderr(f"warning: {warning}")


def plan(
    workflow: Workflow,
    *,
    job: Job = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Run folder; if it has a run, the plan says what will run again."),
    ] = None,
    store: Store = None,
    settings: Settings = None,
    block: Blocks = None,
    workers: CoreWorkers = None,
    engine: Engines = None,
    environment: EnvironmentName = None,
    records: Records = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    force: Force = False,
    into: Into = None,
    levels: IntoLevels = 1,
    verify: IntoVerify = "sampled",
    drop: IntoDrop = None,
    existing: IntoExisting = False,
    truth: Truth = None,
    fresh: Fresh = False,
    cache: Cache = None,
    allow_network: AllowNetwork = False,
    max_failures: MaxFailures = None,
    json: Json = False,
) -> None:
    """Check a run and print its steps, blocks, voxels to read, memory and disk, without starting it.

    The options are those of run.
    """
    copies = read_copies(levels, verify, drop, existing)
    options = read_options(block, box, level, voxel_size, force, into, copies, environment)
    from voxome.engines.choice import parse_engine_options
    from voxome.workflow.preview import preview as preview_run

    plan, arguments = plan_workflow(workflow, job, settings, options, store, workers, allow_network=allow_network)
    preview = preview_run(
        plan,
        out=out,
        store=arguments.store,
        workers=arguments.workers,
        engine=parse_engine_options(engine or ()),
        records=records,
        truth=truth,
        fresh=fresh,
        cache=cache,
    )
    if json:
        show_json({**plan.to_json(), "warnings": [*plan.warnings, *preview.warnings], **preview.to_json()})
        return
    show_warnings(plan, preview)
    rows = [*map(_row, plan.steps), *map(_pending_row, plan.pending.graph.pending if plan.pending else ())]
    show_table(_COLUMNS, rows, title=plan_text(plan), least=_LEAST)
    for one in plan.destinations:
        state = "exists" if one.exists else "will be created"
        print_stderr(f"{one.output}: {size_text(one.bytes)} into {one.label}, which {state}")
    for change in preview.changes:
        print_stderr(change)
    disk = preview.disk
    free = "" if disk is None else f"; {size_text(disk.free_bytes)} free on the disk of {disk.folder}"
    print_stderr(f"{size_text(preview.written_bytes)} of voxels written, before compression{free}")


def _pending_row(step: PendingStep) -> list[Any]:
    """Return the row of a step that is known only during a run."""
    when = [f"after {', '.join(step.after)}"] if step.after else []
    when += [f"for each of {', '.join(step.scatter)}"] if step.scatter else []
    when += ["if its condition holds"] if step.is_conditional else []
    return [step.name, step.tool, "", step.runs_as, ", ".join(when) or "at once", "", "", "", ""]


def _row(step: Step) -> list[Any]:
    from voxome.workflow.sizes import sizes

    size = sizes(step)
    read = size["voxels_read"]
    return [
        step.name,
        step.tool,
        step.version,
        "tables" if step.spec.scope == "whole" else comma_text(step.block),
        f"{size['blocks']:,}",
        "" if read is None else f"{read:,}",
        "by objects" if size["memory_bytes"] is None else size_text(size["memory_bytes"]),
        size_text(size["written_bytes"]) if size["written_bytes"] else "",
        step.spec.invariance,
    ]
