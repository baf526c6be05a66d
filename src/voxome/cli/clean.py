"""``voxome clean``: remove intermediate data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxome.cli.console import print_stderr, size_text


def clean(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run.")]) -> None:
    """Remove the intermediate arrays and tables of a finished run; keep its results and records."""
    from voxome.workflow.clean import clean as clean_folder

    freed = clean_folder(folder)
    print_stderr(f"{'intermediate data' if freed is None else size_text(freed)} removed of the run in {folder}")
