"""``voxome describe PACKAGE…``: write tools as CWL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, show_json

Owners = Annotated[
    list[str], typer.Argument(metavar="PACKAGE|MODULE…", help="Packages or modules with tools; voxome for its own.")
]
Folder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the CWL files.")]


def describe(packages: Owners, out: Folder = Path(), json: Json = False) -> None:
    """Write the CWL files of the tools of packages or modules, NAME.cwl each; print their paths."""
    from voxome.workflow.describe import write

    paths = write(packages, out)
    if json:
        show_json([{"name": path.stem, "path": str(path)} for path in paths])
    else:
        for path in paths:
            print(path)
