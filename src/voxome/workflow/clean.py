"""Remove what a finished run no longer needs."""

from __future__ import annotations

from pathlib import Path

from voxome.errors import InvalidInput, NotFound
from voxome.records.folder import PRIVATE, lock_folder, read_json
from voxome.workflow.store import intermediates, lock_results


def clean(folder: str | Path) -> int | None:
    """Remove the intermediate arrays and tables of the finished run in `folder`; results and records stay.

    Returns
    -------
    int or None
        Bytes freed; None if they were not on this machine.

    Raises
    ------
    NotFound
        If the folder is not that of a run.
    InvalidInput
        If the run has not finished: its work so far would be lost.
    RunLocked
        If it is in progress.
    """
    root = Path(folder).resolve()
    if not (root / PRIVATE).is_dir():
        raise NotFound(f"{folder} is not the folder of a run: it has no {PRIVATE}")
    with lock_folder(root):
        record = read_json(root / "run.json")
        if record is None:
            raise InvalidInput(f"the run in {folder} has not finished: rerun it to its end, or remove the folder")
        address = record.get("store", str(root))
        with lock_results(address, root):
            return _remove(address)


def _remove(address: str) -> int | None:
    steps = intermediates(address)
    if not steps.is_local:
        steps.delete()
        return None
    files = [path for path in Path(steps.path).rglob("*") if path.is_file()]
    freed = sum(path.stat().st_size for path in files)
    if Path(steps.path).is_dir():
        steps.delete()
    return freed
