"""Replacement of files and volumes by new ones, once these are complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxome.contracts.abilities import SupportsReplacement
from voxome.errors import AlreadyExists, NotFound
from voxome.resources.open import locate
from voxome.resources.recognition import get_remote
from voxome.resources.transfer_lock import lock_path
from voxome.services.delete import delete, require_deletable
from voxome.storage.atomic import storing
from voxome.storage.local import LocalPath
from voxome.storage.temporary_names import remove_abandoned, temporary_path

_FOLDERS = {".zarr": "zarr", ".n5": "n5", "/": "images"}
"""Suffix of a volume that is a folder → scheme."""
_HDF5 = (".h5", ".hdf5")


@contextmanager
def replacement(out: str, suffix: str) -> Iterator[str]:
    """Yield the name to write to, and put it in the place of `out` when the body of the ``with`` statement succeeds.

    A dataset of an HDF5 file is replaced inside the file, which stays. Where `out` is a link to a file, its target is
    replaced.

    Parameters
    ----------
    out : str
        Name of a file or folder, or of a dataset in an HDF5 file.
    suffix : str
        What determines its format: a suffix, or ``"/"``.

    Yields
    ------
    str
        `out`, or a temporary name beside it.

    Raises
    ------
    AlreadyExists
        If something else than a volume or a file is there.
    """
    path = Path(out)
    if suffix in _HDF5:
        with _replaced_dataset(out) as new_dataset:
            yield new_dataset
        return
    if not path.exists():
        yield out
        return
    if suffix not in _FOLDERS and not path.is_file():
        raise AlreadyExists(f"{out} is a folder; name a file to overwrite")
    uri = f"{_FOLDERS[suffix]}://{path}" if suffix in _FOLDERS else None
    if uri is None:
        path = path.resolve()
    else:
        require_deletable(uri)
    with storing(path):
        remove_abandoned(path)
    new = temporary_path(path)
    yield f"{new}/" if suffix == "/" else str(new)
    with storing(path):
        if uri is None:
            _replace_file(path, new)
        elif suffix == "/":
            _replace_sections(path, new, uri)
        else:
            _replace_folder(path, new, uri)


def _replace_file(path: Path, new: Path) -> None:
    """Replace a file; who may read and write it stays."""
    try:
        shutil.copymode(path, new)
        new.replace(path)
    except OSError:
        new.unlink()
        raise


def _replace_sections(path: Path, new: Path, uri: str) -> None:
    """Replace the sections in a folder; what else is in it stays."""
    delete(locate(uri))
    if not path.exists():
        new.rename(path)
        return
    for child in new.iterdir():
        child.rename(path / child.name)
    new.rmdir()


def _replace_folder(path: Path, new: Path, uri: str) -> None:
    """Replace a folder that is one volume by a new one, by two renames, and then remove it."""
    old = temporary_path(path)
    try:
        located, _ = require_deletable(uri)  # once more: somebody may have written into it meanwhile
        lock = lock_path(located)
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if lock is not None:
        lock.unlink()
    LocalPath(str(old)).delete()


@contextmanager
def _replaced_dataset(out: str) -> Iterator[str]:
    """Yield the name of the dataset to write: another one in the file, if there is one to replace."""
    dataset = out if Path(out).suffix.lower() not in _HDF5 else f"{out}/volume"
    try:
        located, _ = require_deletable(f"hdf5://{dataset}")
    except NotFound:
        yield out
        return
    store = get_remote(located.scheme)
    assert isinstance(store, SupportsReplacement)
    with store.replacement(located) as new:
        yield new.path
