"""Walking the folders of a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from voxome.storage.path import Lister, StoragePath

Found = TypeVar("Found")
Look = Callable[[StoragePath, Sequence[str], Sequence[str]], tuple[Found | None, Sequence[str]]]
"""Given a place, its folders and its files: what was found there, if anything, and the folders to go into."""

_DEEPEST = 32


def walk(place: StoragePath, look: Look[Found], depth: int = _DEEPEST) -> Iterator[tuple[StoragePath, Found]]:
    """What `look` finds in `place` and up to `depth` folders below it; names that begin with a dot are passed over.

    Raises
    ------
    NotFound
        If there is no such folder.
    UnsupportedFormat
        If the store cannot be listed.
    """
    yield from _walk(place, look, place.lister(), depth)


def _walk(place: StoragePath, look: Look[Found], names: Lister, depth: int) -> Iterator[tuple[StoragePath, Found]]:
    folders, files = names(place)
    found, inside = look(place, [one for one in folders if not one.startswith(".")], files)
    if found is not None:
        yield place, found
    for folder in inside if depth else ():
        yield from _walk(place / folder, look, names, depth - 1)
