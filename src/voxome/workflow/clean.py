"""Drop what a finished run no longer needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from voxome.errors import InvalidInput, NotFound
from voxome.records.folder import PRIVATE, lock_folder


def clean(folder: str | Path) -> int:
    """Remove the intermediate arrays and tables of the finished run in `folder`; results and records stay.

    Returns
    -------
    int
        Bytes that were freed.

    Raises
    ------
    NotFound
        If no run was made there.
    InvalidInput
        If the run has not finished: what it has done would be lost.
    RunLocked
        If it is under way.
    """
    root = Path(folder)
    if not (root / PRIVATE).is_dir():
        raise NotFound(f"{root} is no folder of a run: it has no {PRIVATE}")
    with lock_folder(root):
        if not (root / "run.json").exists():
            raise InvalidInput(f"the run in {root} has not finished: give its command again, or remove the folder")
        steps = root / PRIVATE / "steps"
        freed = sum(path.stat().st_size for path in steps.rglob("*") if path.is_file())
        shutil.rmtree(steps, ignore_errors=True)
    return freed
