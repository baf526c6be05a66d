"""Paths that metadata name: whoever wrote them may have meant to reach files that are not his."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from voxome.errors import CorruptData
from voxome.storage.path import StoragePath

_NO_NAME = re.compile(r"[\x00-\x1f\\\ud800-\udfff]")
"""What is in no name of a file: control characters, backslashes, and halves of characters, which JSON can have."""


def inside(root: StoragePath, relative: str) -> StoragePath:
    """Return the folder or file `relative` to `root`.

    Raises
    ------
    CorruptData
        If it is absolute, an address, or leaves `root`.
    """
    if not is_inside(relative):
        raise CorruptData(f"{root}: its metadata refer to {relative!r:.200}; a path inside this folder was expected")
    return root / str(PurePosixPath(relative))


def is_inside(relative: str) -> bool:
    r"""Return whether a path from metadata stays inside the folder of the metadata.

    Examples
    --------
    >>> [is_inside(path) for path in ("s0", "a/b.c", "", "/etc", "../a", "http://a", "a\\b", "a\0", "a\ud800")]
    [True, True, False, False, False, False, False, False, False]
    """
    path = PurePosixPath(relative)
    reaches_out = not relative or path.is_absolute() or ".." in path.parts or ":/" in relative
    return not reaches_out and _NO_NAME.search(relative) is None
