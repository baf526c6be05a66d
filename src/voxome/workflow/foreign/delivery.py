"""Outputs of a process in its folder, where each appears whole, in place of what had its name."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Any

from cwltool.errors import WorkflowException

from voxome.contracts.formats import PRIVATE
from voxome.workflow.foreign.results import file_location, local_path, map_locations


def move_outputs(outputs: Any, staged: Path, out: Path, replaced: Path) -> Any:
    """Move what is staged for delivery to the folder of the outputs, by renames.

    Parameters
    ----------
    outputs : JSON value
        Output object, with locations in `staged`.
    staged, out : path
        The folders, on one file system.
    replaced : path
        Empty folder for what the outputs replace.

    Returns
    -------
    JSON value
        Output object with locations in `out`.

    Raises
    ------
    WorkflowException
        If an output has the name of the folder of records.
    """
    entries = sorted(staged.iterdir())
    if any(entry.name == PRIVATE for entry in entries):
        raise WorkflowException(
            f"An output is called {PRIVATE}, as the folder of records in {out}; give it another name"
        )
    for entry in entries:
        target = out / entry.name
        if target.is_symlink() or target.is_dir() or (entry.is_dir() and target.exists()):
            _move(target, replaced / entry.name)
        _move(entry, target)

    def moved(location: str) -> str:
        path = local_path(location)
        return (
            location
            if path is None or not path.is_relative_to(staged)
            else file_location(out / path.relative_to(staged))
        )

    return map_locations(outputs, moved)


def _move(source: Path, target: Path) -> None:
    """Move a file or folder, as it is: to rename a folder needs the right to write in it."""
    mode = source.lstat().st_mode
    is_closed = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if is_closed:
        source.chmod(mode | stat.S_IWUSR)
    shutil.move(source, target)
    if is_closed:
        target.chmod(mode)
