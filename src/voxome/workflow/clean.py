"""Drop what a finished run no longer needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from voxome.errors import InvalidInput, NotFound
from voxome.records.folder import OWN, locked


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
    if not (root / OWN).is_dir():
        raise NotFound(f"{root} is no folder of a run: it has no {OWN}")
    with locked(root):
        if not (root / "run.json").exists():
            raise InvalidInput(f"the run in {root} has not finished: give its command again, or remove the folder")
        steps = root / OWN / "steps"
        freed = sum(path.stat().st_size for path in steps.rglob("*") if path.is_file())
        shutil.rmtree(steps, ignore_errors=True)
    return freed
