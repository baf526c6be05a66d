"""``voxome run``: run a workflow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json, size_text
from voxome.cli.into import Into, IntoDrop, IntoExisting, IntoLevels, IntoVerify, read_copies
from voxome.cli.options import (
    Blocks,
    BoxText,
    CoreWorkers,
    Engines,
    Force,
    Job,
    Level,
    Records,
    Settings,
    Verify,
    VoxelSize,
    Workflow,
    read_inputs,
    read_options,
)
from voxome.cli.plan import plan_text, step_names


def run(
    workflow: Workflow,
    *,
    job: Job = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Run folder; rerun the same command to resume.")],
    store: Annotated[
        str | None,
        typer.Option(metavar="DIR|URI", help="Where results and intermediate data are kept, if not in the run folder."),
    ] = None,
    settings: Settings = None,
    block: Blocks = None,
    workers: CoreWorkers = None,
    engine: Engines = None,
    records: Records = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    force: Force = False,
    into: Into = None,
    levels: IntoLevels = 1,
    verify: IntoVerify = Verify.sampled,
    drop: IntoDrop = None,
    existing: IntoExisting = False,
    truth: Annotated[
        Path | None,
        typer.Option(help="Folder with ground truth to score the results against, as written by voxome phantom."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what earlier runs in this folder have computed, and start again.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a workflow over a volume of any size, block by block; rerun the same command to resume.

    With other settings, edited tools or replaced inputs, only the steps that these affect run again.
    """
    began = time.monotonic()
    print_stderr(f"Checking {workflow}")
    copies = read_copies(levels, verify, drop, existing)
    options = read_options(block, box, level, voxel_size, force, into, copies)
    from voxome.cli.progress import progress_bars
    from voxome.engines.choice import parse_engine_options
    from voxome.engines.machine import available_cpus
    from voxome.workflow.cwl import load
    from voxome.workflow.plan import make_plan
    from voxome.workflow.run import run_plan
    from voxome.workflow.store import run_folder

    graph = load(workflow)
    plan = make_plan(graph, read_inputs(job, settings, graph), options)
    for warning in plan.warnings:
        print_stderr(f"warning: {warning}")
    run_folder(out)
    print_stderr(f"Running {plan_text(plan)} into {out}; --workers {workers or available_cpus()}")
    with progress_bars(step_names(plan)) as progress:
        record = run_plan(
            plan,
            out=out,
            store=store,
            workers=workers or available_cpus(),
            engine=parse_engine_options(engine or ()),
            records=records,
            progress=progress,
            truth=truth,
            fresh=fresh,
            on_changes=lambda changes: print_stderr("\n".join(changes)),
        )
    if json:
        show_json(record)
    else:
        blocks = [step["blocks"] for step in record["steps"]]
        run_now, reused = (sum(b[what] for b in blocks) for what in ("run", "reused"))
        for name, value in record.get("summary", {}).items():
            print_stderr(f"{name}: {value:,}" if isinstance(value, int | float) else f"{name}: {value}")
        for group, scores in record.get("scores", {}).items():
            print_stderr(f"{group}: {', '.join(f'{name} {value:.4g}' for name, value in scores.items())}")
        for one in record.get("transfers", []):
            print_stderr(
                f"{one['output']}: {size_text(one['bytes'])} in {one['destination']}, {one['verified']:,} of "
                f"{one['blocks']['total']:,} blocks verified"
            )
        print_stderr(
            f"Done in {time.monotonic() - began:.1f} s: {run_now:,} blocks run, {reused:,} reused; "
            f"results in {store or out}"
        )
