"""``voxome plan``: a run, before it starts."""

from __future__ import annotations

from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json, show_table, size_text
from voxome.cli.options import (
    Blocks,
    BoxText,
    Force,
    Level,
    Settings,
    VoxelSize,
    read_options,
    read_settings,
)


def plan(
    workflow: Annotated[str, typer.Argument(help="A CWL file.")],
    settings: Settings = None,
    block: Blocks = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Check a run and print its steps, blocks, voxels read and memory, before anything starts."""
    options = read_options(block, box, level, voxel_size, force)
    from voxome.workflow.cwl import load
    from voxome.workflow.plan import make_plan
    from voxome.workflow.sizes import sizes

    graph = load(workflow)
    made = make_plan(graph, read_settings(settings, graph), options)
    if json:
        show_json(made.to_json())
        return
    for warning in made.warnings:
        print_stderr(f"warning: {warning}")
    rows = []
    for step in made.steps:
        told = sizes(step)
        read = told["voxels_read"]
        rows.append(
            [
                step.name,
                f"{step.tool} {step.version}",
                "tables" if step.spec.scope == "whole" else ",".join(map(str, step.block)),
                told["blocks"],
                "" if read is None else f"{read:,}",
                "by objects" if told["memory_bytes"] is None else size_text(told["memory_bytes"]),
                step.spec.invariance,
            ]
        )
    columns = ["step", "tool", "block", "blocks", "voxels read", "memory a job", "invariance"]
    show_table(columns, rows, title=f"{made.workflow}: {sum(int(row[3]) for row in rows):,} blocks")
