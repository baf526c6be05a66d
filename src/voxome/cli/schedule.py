"""``voxome schedule``: run a workflow in Airflow."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.options import (
    AllowNetwork,
    Blocks,
    BoxText,
    CoreWorkers,
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
from voxome.cli.plan import plan_text, plan_workflow, show_warnings
from voxome.config.settings import configure

_OWN = ("--dags", "--airflow", "--python", "--retries")
"""Options that ``voxome run`` does not have."""


def schedule(
    workflow: Workflow,
    *,
    job: Job = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Run folder, which Airflow's workers see too.")],
    dags: Annotated[str, typer.Option("--dags", metavar="DIR", help="Folder of Airflow's DAGs.")],
    airflow: Annotated[
        str | None,
        typer.Option("--airflow", metavar="URL", help="Airflow that starts the run, which is then followed."),
    ] = None,
    python: Annotated[
        str, typer.Option("--python", metavar="PATH", help="Python with voxome, where Airflow runs tasks.")
    ] = sys.executable,
    retries: Annotated[
        int, typer.Option("--retries", min=0, metavar="N", help="How often Airflow repeats a group of jobs.")
    ] = 2,
    store: Store = None,
    settings: Settings = None,
    block: Blocks = None,
    workers: CoreWorkers = None,
    records: Records = None,
    box: BoxText = None,
    level: Level = 0,
    voxel_size: VoxelSize = None,
    force: Force = False,
    truth: Truth = None,
    fresh: Fresh = False,
    allow_network: AllowNetwork = False,
    max_failures: MaxFailures = None,
    json: Json = False,
) -> None:
    """Write a DAG that runs a workflow in Airflow 3, and start and follow it with --airflow.

    The results are those of run, which can resume what Airflow has begun, and the other way round.
    """
    print_stderr(f"Checking {workflow}")
    if max_failures is not None:
        configure(max_failures=max_failures)
    options = read_options(block, box, level, voxel_size, force)
    from voxome.workflow.airflow.client import AirflowClient
    from voxome.workflow.airflow.schedule import export_run, follow_run, start_run
    from voxome.workflow.preview import preview as preview_run

    plan, arguments = plan_workflow(workflow, job, settings, options, store, workers, allow_network=allow_network)
    preview = preview_run(
        plan,
        out=out,
        store=arguments.store,
        workers=arguments.workers,
        records=records,
        truth=truth,
        fresh=fresh,
    )
    show_warnings(plan, preview)
    written = export_run(
        plan,
        out=out,
        dags=dags,
        arguments=run_arguments(sys.argv[1:]),
        store=arguments.store,
        workers=preview.workers,
        records=records,
        fresh=fresh,
        python=python,
        retries=retries,
    )
    print_stderr(f"Wrote {plan_text(plan)} into {written.file}")
    run = None
    if airflow is not None:
        with closing(AirflowClient(airflow)) as client:
            run = start_run(client, written)
            follow_run(client, written.dag, run, report=print_stderr)
    if json:
        show_json({"dag": written.dag, "file": str(written.file), "run": run})


def run_arguments(words: list[str]) -> list[str]:
    """Return the arguments of ``voxome run`` for those of ``voxome schedule``; ``--fresh`` has had its effect."""
    kept: list[str] = []
    following = iter(words[words.index("schedule") + 1 :])
    for word in following:
        name, equals, _ = word.partition("=")
        if name in _OWN:
            if not equals:
                next(following, None)
        elif word != "--fresh":
            kept.append(word)
    return kept
