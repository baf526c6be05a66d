"""``voxome cwl-runner``: run any process of CWL."""

from __future__ import annotations

from typing import Annotated

import typer

from voxome.cli.options import Cache, CoreWorkers, EngineName, EnvironmentName, Records


def cwl_runner(
    process: Annotated[str, typer.Argument(metavar="PROCESS", help="CWL document: a path or URL, with #NAME.")],
    job: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]", help="Input file, or options such as --threshold 3.")
    ] = None,
    *,
    out: Annotated[
        str, typer.Option("--outdir", metavar="DIR", help="Folder for the outputs; rerun the same command to resume.")
    ] = ".",
    quiet: Annotated[bool, typer.Option("--quiet", help="Log problems only.")] = False,
    tmpdir_prefix: Annotated[
        str | None, typer.Option("--tmpdir-prefix", metavar="PATH", help="Beginning of paths of temporary folders.")
    ] = None,
    cache: Cache = None,
    environment: EnvironmentName = None,
    workers: CoreWorkers = None,
    engine: EngineName = None,
    records: Records = None,
) -> None:
    """Run a process of CWL v1.0 to v1.2 and print its output object as JSON, as every cwl-runner does.

    Options that voxome does not know are inputs of the process.
    """
    from voxome.workflow.foreign.runner import run_process

    status = run_process(
        process,
        job or (),
        out=out,
        quiet=quiet,
        tmpdir_prefix=tmpdir_prefix,
        cache=cache,
        environment=environment,
        workers=workers,
        engine=engine or "local",
        records=records,
    )
    raise typer.Exit(status)
