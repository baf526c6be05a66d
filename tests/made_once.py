"""Folders that take long to make, made once for all processes of a test run."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

MakeOnce = Callable[[str, Callable[[Path], object]], Path]
"""Returns the folder of a name, which a function writes unless another process did."""


def make_once(root: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` of `root`, made by the first process that needs it; the others wait.

    Parameters
    ----------
    root : path
        Folder that all processes of the test run share.
    name : str
        Name of the folder.
    make : callable
        Creates and writes the folder.
    """
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a process left that failed
            make(folder)
            done.touch()
    return folder
