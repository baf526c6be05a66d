"""``voxome plan``: check and size a run before it starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.into import Into, IntoDrop, IntoExisting, IntoLevels, IntoVerify, read_copies
from voxome.cli.options import (
    Blocks,
    BoxText,
    Force,
    Job,
    Level,
    Settings,
    Verify,
    VoxelSize,
    Workflow,
    read_inputs,
    read_options,
)
from voxome.cli.table import show_table

if TYPE_CHECKING:
    from voxome.workflow.plan import Plan


def plan_text(plan: Plan) -> str:
    """Return the name and the size of a plan."""
    blocks = sum(step.total for step in plan.steps)
    steps = "1 step" if len(plan.steps) == 1 else f"{len(plan.steps)} steps"
    return f"{plan.workflow}: {steps}, {'1 block' if blocks == 1 else f'{blocks:,} blocks'}"


def step_names(plan: Plan) -> list[str]:
    """Return the names of the steps of a plan, and of the copies into other stores after them."""
    return [*(step.name for step in plan.steps), *(name for one in plan.destinations for name in one.steps)]


def plan(
    workflow: Workflow,
    job: Job = None,
    settings: Settings = None,
    block: Blocks = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    force: Force = False,
    into: Into = None,
    levels: IntoLevels = 1,
    verify: IntoVerify = Verify.sampled,
    drop: IntoDrop = None,
    existing: IntoExisting = False,
    json: Json = False,
) -> None:
    """Check a run and print its steps, blocks, voxels to read and memory, without starting it."""
    copies = read_copies(levels, verify, drop, existing)
    options = read_options(block, box, level, voxel_size, force, into, copies)
    from voxome.workflow.cwl import load
    from voxome.workflow.plan import make_plan
    from voxome.workflow.sizes import sizes

    graph = load(workflow)
    plan = make_plan(graph, read_inputs(job, settings, graph), options)
    free = shutil.disk_usage(Path.cwd()).free
    if json:
        show_json({**plan.to_json(), "free_disk_bytes": free})
        return
    for warning in plan.warnings:
        print_stderr(f"warning: {warning}")
    rows = []
    for step in plan.steps:
        size = sizes(step)
        read = size["voxels_read"]
        rows.append(
            [
                step.name,
                f"{step.tool} {step.version}",
                "tables" if step.spec.scope == "whole" else ",".join(map(str, step.block)),
                size["blocks"],
                "" if read is None else f"{read:,}",
                "by number of objects" if size["memory_bytes"] is None else size_text(size["memory_bytes"]),
                step.spec.invariance,
            ]
        )
    columns = ["step", "tool", "block", "blocks", "voxels read", "memory per job", "invariance"]
    show_table(columns, rows, title=plan_text(plan))
    for one in plan.destinations:
        state = "exists" if one.exists else "is created"
        print_stderr(f"{one.output}: {size_text(one.bytes)} into {one.label}, which {state}")
    print_stderr(f"Free disk space here: {size_text(free)}")
