"""Files that a phantom writes into a folder: none is overwritten, and none is left incomplete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from voxome.errors import AlreadyExists

Progress = Callable[[int, int], None]
"""Function called with the number of blocks done and their total."""
CHUNK = (64, 64, 64)
"""Chunks of the volumes of a phantom."""


def silent(done: int, total: int) -> None:
    """Report no progress."""


def require_new(folder: Path, paths: Iterable[Path]) -> None:
    """Check that none of the files exists.

    Raises
    ------
    AlreadyExists
        If one does.
    """
    old = [path.name for path in paths if path.exists()]
    if old:
        raise AlreadyExists(f"{folder} already contains {', '.join(old)}; remove them, or choose another folder")


@contextmanager
def removed_on_failure(folder: Path, paths: Iterable[Path]) -> Iterator[None]:
    """Create a folder; remove `paths` from it if the body of the ``with`` statement fails."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException as error:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if new and not any(folder.iterdir()):
            folder.rmdir()
        error.add_note(f"what was written to {folder} was removed")
        raise
