"""``voxome gather``: results of a workflow under their names, for CWL runners."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from voxome.cli.console import Json, print_stderr, show_json
from voxome.cli.values import parse_output
from voxome.errors import InvalidInput

Results = Annotated[
    list[Any] | None,
    typer.Option("--result", parser=parse_output, metavar="NAME=HANDLE", help="Result: its handle file. Repeatable."),
]
Arrays = Annotated[
    list[Any] | None,
    typer.Option(
        "--array",
        parser=parse_output,
        metavar="NAME=HANDLE",
        help="Next element of a result that is an array, as of a scattered step: NAME_0, NAME_1, … Repeatable.",
    ),
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
    result: Results = None,
    array: Arrays = None,
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
        _by_name(result or (), array or ()),
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


def _by_name(results: Iterable[tuple[str, str]], arrays: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Return the handle files of results by their names.

    Raises
    ------
    InvalidInput
        If there is none, or two have the same name.
    """
    found: dict[str, str | list[str]] = {}
    for name, handle in results:
        if name in found:
            raise InvalidInput(f"--result {name} is given twice; give elements of an array with --array")
        found[name] = handle
    for name, handle in arrays:
        elements = found.setdefault(name, [])
        if isinstance(elements, str):
            raise InvalidInput(f"{name} is given with --result and with --array; expected one of them")
        elements.append(handle)
    if not found:
        raise InvalidInput("there is no result to gather; give --result NAME=HANDLE or --array NAME=HANDLE")
    return found
