"""``voxome run``: run a workflow."""

from __future__ import annotations

import time
from typing import Annotated, Any

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
    Settings,
    Store,
    Truth,
    VoxelSize,
    Workflow,
    read_options,
)
from voxome.cli.plan import plan_text, plan_workflow, show_warnings, step_names
from voxome.config.settings import configure


def run(
    workflow: Workflow,
    *,
    job: Job = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Run folder; rerun the same command to resume.")],
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
    """Run a workflow over a volume of any size, block by block; rerun the same command to resume.

    With other settings, edited tools or replaced inputs, only the steps that these affect run again.
    """
    began = time.monotonic()
    print_stderr(f"Checking {workflow}")
    if max_failures is not None:
        configure(max_failures=max_failures)
    copies = read_copies(levels, verify, drop, existing)
    options = read_options(block, box, level, voxel_size, force, into, copies, environment)
    from voxome.cli.progress import progress_bars
    from voxome.engines.choice import parse_engine_options
    from voxome.workflow.preview import preview as preview_run
    from voxome.workflow.run import run_plan

    plan, arguments = plan_workflow(workflow, job, settings, options, store, workers, allow_network=allow_network)
    choices: dict[str, Any] = {
        "out": out,
        "store": arguments.store,
        "engine": parse_engine_options(engine or ()),
        "records": records,
        "truth": truth,
        "fresh": fresh,
        "cache": cache,
    }
    preview = preview_run(plan, workers=arguments.workers, **choices)
    show_warnings(plan, preview)
    print_stderr(f"Running {plan_text(plan)} into {out}; --workers {preview.workers}")
    with progress_bars(step_names(plan)) as progress:
        record = run_plan(
            plan,
            workers=preview.workers,
            progress=progress,
            on_changes=lambda changes: print_stderr("\n".join(changes)),
            **choices,
        )
    if json:
        show_json(record)
    else:
        blocks = [step["blocks"] for step in record["steps"]]
        run_now, reused = (sum(b[what] for b in blocks) for what in ("run", "reused"))
        for name, value in record.get("summary", {}).items():
            print_stderr(f"{name}: {value_text(value)}")
        for group, scores in record.get("scores", {}).items():
            print_stderr(f"{group}: {', '.join(f'{name} {value:.4g}' for name, value in scores.items())}")
        for one in record["transfers"]:
            print_stderr(
                f"{one['output']}: {size_text(one['bytes'])} in {one['destination']}, {one['verified']:,} of "
                f"{one['blocks']['total']:,} blocks verified"
            )
        blocks_run = f"{run_now:,} block{'' if run_now == 1 else 's'} run"
        print_stderr(
            f"Done in {time.monotonic() - began:.1f} s: {blocks_run}, {reused:,} reused; "
            f"results in {arguments.store or out}"
        )


def value_text(value: int | float | str) -> str:
    """Return a number of the summary with as many digits as in the report, or a text as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value
