"""Walk the folders of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from voxome.storage.path import Lister, StoragePath

Found = TypeVar("Found")
Look = Callable[[StoragePath, Sequence[str], Sequence[str]], tuple[Found | None, Sequence[str]]]
"""Callback returning what was found at a path with these folders and files, and the folders to descend into."""

_DEEPEST = 32


def walk(path: StoragePath, look: Look[Found], depth: int = _DEEPEST) -> Iterator[tuple[StoragePath, Found]]:
    """Yield what `look` finds at `path` and up to `depth` folders below it; hidden folders are skipped.

    Raises
    ------
    NotFound
        If the folder does not exist.
    UnsupportedFormat
        If the store cannot be listed.
    """
    yield from _walk(path, look, path.lister(), depth)


def _walk(path: StoragePath, look: Look[Found], names: Lister, depth: int) -> Iterator[tuple[StoragePath, Found]]:
    folders, files = names(path)
    found, inside = look(path, [one for one in folders if not one.startswith(".")], files)
    if found is not None:
        yield path, found
    for folder in inside if depth else ():
        yield from _walk(path / folder, look, names, depth - 1)
