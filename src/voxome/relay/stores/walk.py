"""Keys of a store in their order, from any one on, without a list of all."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress

from voxome.errors import NotFound
from voxome.relay.stores.folder import Folder
from voxome.relay.stores.keys import LOCK_SUFFIX, OWN


class KeyWalk:
    """Walks through the files of a folder; it reads each folder once, so it is for one listing.

    Parameters
    ----------
    folder : Folder
        The folder of a store.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._names: dict[tuple[str, ...], list[str]] = {}

    def keys(self, first: str, prefix: str) -> Iterator[str]:
        """Yield, in order, the keys from `first` on that begin with `prefix`."""
        return self._keys((), max(first, prefix), prefix)

    def _keys(self, above: tuple[str, ...], first: str, prefix: str) -> Iterator[str]:
        start = "".join(f"{part}/" for part in above)
        names, at = self._sorted(above), 0
        if first.startswith(start):
            rest = first[len(start) :]
            at = bisect_left(names, rest)
            at -= at > 0 and names[at - 1].endswith("/") and rest.startswith(names[at - 1])
        for name in names[at:]:
            full = start + name
            if not full.startswith(prefix) and not (name.endswith("/") and prefix.startswith(full)):
                if full > prefix:
                    return
            elif name.endswith("/"):
                yield from self._keys((*above, name[:-1]), first, prefix)
            else:
                yield full

    def _sorted(self, above: tuple[str, ...]) -> list[str]:
        """Return the names of files in a folder, and those of folders with a slash."""
        if above not in self._names:
            names: list[str] = []
            with suppress(NotFound), self._folder.opened(above) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        names.append(f"{entry.name}/")
                    elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(LOCK_SUFFIX):
                        names.append(entry.name)
            self._names[above] = sorted(name for name in names if _is_text(name) and name != f"{OWN}/")
        return self._names[above]


def _is_text(name: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in name)
