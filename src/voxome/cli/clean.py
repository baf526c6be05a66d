"""``voxome clean``: remove intermediate data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import Json, print_stderr, show_json, size_text


def clean(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run.")], json: Json = False
) -> None:
    """Remove the intermediate arrays and tables of a finished run; keep its results and records.

    A later run with changed settings computes the removed data again, as far as the changed steps need them.
    """
    from voxome.workflow.clean import clean as clean_folder

    freed = clean_folder(folder)
    if json:
        show_json({"folder": str(folder.resolve()), "freed_bytes": freed})
    else:
        print_stderr(f"{'Intermediate data' if freed is None else size_text(freed)} removed of the run in {folder}")
