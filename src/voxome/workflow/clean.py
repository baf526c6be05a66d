"""Remove what a finished run no longer needs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from voxome.contracts.formats import PRIVATE, RUN
from voxome.errors import InvalidInput, NotFound
from voxome.records.folder import lock_folder, read_json_or_none
from voxome.workflow.results import RECORD
from voxome.workflow.store import home_address, intermediates, lock_results, steps_with_results


def clean(folder: str | Path) -> int | None:
    """Remove the intermediate arrays and tables of the finished run in `folder`; results and records stay.

    A later run with changed settings computes the removed data again, as far as the changed steps need them.

    Returns
    -------
    int or None
        Bytes freed; None if they were not on this machine.

    Raises
    ------
    NotFound
        If it is not a run folder.
    InvalidInput
        If the run has not finished: its finished blocks would be lost.
    UnsupportedFormat
        If it is a run of another version.
    RunLocked
        If it is running.
    """
    root = Path(folder).resolve()
    if not (root / PRIVATE).is_dir():
        raise NotFound(f"{folder} is not a run folder: it has no {PRIVATE}; give the folder that a run had as --out")
    with lock_folder(root):
        record = read_json_or_none(root / RECORD)
        if record is None:
            raise InvalidInput(
                f"the run in {folder} has not finished: rerun its command to resume it, or remove the folder"
            )
        RUN.content(record, root / RECORD)
        address = record["store"] or home_address(root)
        with lock_results(address, root):
            return _remove(address, steps_with_results(record))


def _remove(address: str, kept: Collection[str]) -> int | None:
    """Remove all steps but those to keep, which have results; return how many bytes that has freed."""
    steps = intermediates(address)
    removable = [steps / name for name in (steps.entries().folders if steps.taken() else ()) if name not in kept]
    freed = 0
    for step in removable if kept else [steps]:
        if step.is_local:
            freed += sum(path.stat().st_size for path in Path(step.path).rglob("*") if path.is_file())
        step.delete()
    return freed if steps.is_local else None
