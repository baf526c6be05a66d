"""``voxome gather``: results of a workflow under their names, for CWL runners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.values import parse_output

Results = Annotated[
    list[Any],
    typer.Option("--result", parser=parse_output, metavar="NAME=HANDLE", help="Result: its handle file. Repeatable."),
]
Names = Annotated[
    list[Any] | None,
    typer.Option(
        "--name",
        parser=parse_output,
        metavar="NAME=FILE",
        help="File name of a result, without extension, if it is not that of the result. Repeatable.",
    ),
]
Report = Annotated[str | None, typer.Option("--report", metavar="NAME", help="Report to write.")]
Workflow = Annotated[str, typer.Option("--workflow", metavar="NAME", help="What the report calls the workflow.")]
Inputs = Annotated[
    list[Any] | None,
    typer.Option(
        "--input", parser=parse_output, metavar="NAME=URI", help="Workflow input that the report shows. Repeatable."
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write into.")]


def gather(
    result: Results,
    name: Names = None,
    report: Report = None,
    workflow: Workflow = "results",
    inputs: Inputs = None,
    out: Out = Path(),
    json: Json = False,
) -> None:
    """Write results of tools into a folder, under their names, and a report: the last step in CWL runners."""
    from voxome.workflow.gather import gather as gather_results

    files = gather_results(
        dict(result),
        names=dict(name or ()),
        report=report,
        workflow=workflow,
        inputs=dict(inputs or ()),
        folder=out,
    )
    if json:
        show_json([{"name": one, "path": str(path)} for one, path in files.items()])
    else:
        for one, path in files.items():
            print_stderr(f"{one}: {path}")
