"""Walk the folders of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from voxome.errors import VoxomeError
from voxome.storage.path import StoragePath

Node = TypeVar("Node")
Found = TypeVar("Found")
Look = Callable[[StoragePath, Sequence[str], Sequence[str]], tuple[Found | None, Sequence[str]]]
"""Callback returning what was found at a path with these folders and files, and the folders to descend into."""


class Levels:
    """Paths of the levels of pyramids, which a listing leaves out: a pyramid is one volume."""

    def __init__(self) -> None:
        self._paths: set[str] = set()

    def add(self, pyramid: StoragePath, levels: Iterable[str]) -> None:
        """Add the levels of the pyramid at a path; theirs are relative to it, and may have several parts."""
        self._paths |= {(pyramid / level.strip("/")).path for level in levels}

    def others(self, folder: StoragePath, names: Iterable[str]) -> list[str]:
        """Return those of the folders `names` in `folder` that are no levels."""
        return [name for name in names if (folder / name).path not in self._paths]


def walk(
    path: StoragePath, look: Look[Found], depth: int | None = None
) -> Iterator[tuple[StoragePath, Found | Exception]]:
    """Yield what `look` finds at `path` and in the folders below it; hidden folders are skipped.

    Links are followed, but not back to a folder above; one that leads nowhere is yielded with its error.

    Parameters
    ----------
    path : StoragePath
        Where to begin.
    look : callable
        Looks at one folder.
    depth : int, optional
        Number of folders to descend; all if None.

    Yields
    ------
    folder : StoragePath
        Where something was found.
    found : object or Exception
        What `look` returned; the error where a folder below `path` cannot be listed, or what is in one not understood,
        whose folders are entered all the same.

    Raises
    ------
    NotFound
        If `path` does not exist.
    UnsupportedFormat
        If the store cannot be listed.
    """

    def expand(node: _Folder, again: bool) -> tuple[list[tuple[StoragePath, Found | Exception]], list[_Folder]]:
        folder, level = node
        if again:
            return [], []
        try:
            folders, files = folder.entries()
        except VoxomeError as error:
            if folder is path:
                raise
            return [(folder, error)], []
        visible = [name for name in folders if not name.startswith(".")]
        found: Found | Exception | None
        try:
            found, inside = look(folder, visible, files)
        except Exception as error:  # files of others may be damaged in any way
            found, inside = error, visible
        results = [] if found is None else [(folder, found)]
        if found is None:  # of the files of an array, only those that are read matter
            dead = folder.dead_links(name for name in files if not name.startswith("."))
            results = [(folder / name, error) for name, error in dead]
        deeper = inside if depth is None or level < depth else ()
        return results, [(folder / name, level + 1) for name in deeper]

    return preorder((path, 0), expand, lambda node: node[0].identity)


_Folder = tuple[StoragePath, int]
"""A folder, and how many folders below the first it is."""


def preorder(
    root: Node,
    expand: Callable[[Node, bool], tuple[Iterable[Found], Sequence[Node]]],
    identify: Callable[[Node], object],
) -> Iterator[Found]:
    """Yield what is found at a node and below it, each node before those below it.

    Parameters
    ----------
    root : node
        Where to begin.
    expand : callable
        Called with a node, and whether it also lies above itself, by a link; returns what is found at the node, and
        the nodes below it, which are entered if it does not.
    identify : callable
        Returns what is equal for two paths to one node.
    """
    waiting: list[tuple[Node, frozenset[object]]] = [(root, frozenset())]
    while waiting:
        node, above = waiting.pop()
        identity = identify(node)
        again = identity in above
        found, inside = expand(node, again)
        yield from found
        around = above | {identity}
        waiting += [(below, around) for below in reversed(inside) if not again]
