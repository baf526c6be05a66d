"""Local files that appear complete or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voxome.errors import AccessDenied, StoreError, VoxomeError
from voxome.storage.temporary_names import part_path

_METADATA_BYTES = 1 << 20
"""Bytes that the metadata of a file may take, and the rounding of files to blocks."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn errors of the disk while `path` is written into a StoreError."""
    try:
        yield
    except VoxomeError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def creation_problem(new: Path, error: OSError) -> str:
    """Return why something could not be written by way of a `new` file or folder, whose name only voxome knows."""
    is_new = error.filename is not None and str(error.filename) == str(new) and error.filename2 is None
    if isinstance(error, FileNotFoundError) and is_new and new.parent.is_dir():
        return f"the file system of {new.parent} takes no new files"
    return error.strerror or str(error)


def require_space(path: Path, nbytes: int) -> None:
    """Refuse to write what a disk may not hold, for libraries that do not survive a full one.

    Raises
    ------
    StoreError
        If fewer bytes than these, and some for metadata, are free where `path` is.
    """
    with storing(path):
        free = shutil.disk_usage(path.parent).free
    needed = nbytes + _METADATA_BYTES
    if free < needed:
        raise StoreError(
            f"cannot write {path}: {needed:,} bytes may be needed, and {free:,} are free; make space, "
            "or write elsewhere"
        )


def read_error(path: Path, error: OSError) -> AccessDenied | StoreError:
    """Return the error for `path`, which cannot be read."""
    error_class = AccessDenied if isinstance(error, PermissionError) else StoreError
    return error_class(f"cannot read {path}: {error.strerror or error}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; at the end it replaces `path` atomically, or is removed on error.

    Raises
    ------
    StoreError
        If the disk fails.
    """
    with storing(path), swapping(path) as temporary:
        try:
            yield temporary
        except VoxomeError:
            raise
        except OSError as error:
            raise StoreError(f"cannot write {path}: {creation_problem(temporary, error)}") from error


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file, which appears complete or not at all; text is written as UTF-8.

    Raises
    ------
    StoreError
        If the disk fails.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def swapping(path: Path) -> Iterator[Path]:
    """Do as `replacing`, but leave errors of the disk as they are."""
    temporary = part_path(path)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
