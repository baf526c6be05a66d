"""Datasets that are written beside the one that they will replace, under names that tell whose they are."""

from __future__ import annotations

import os
import re

import h5py

_PART = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.part")


def part_path(inner: str) -> str:
    """Return the path of the dataset by which this process replaces the one at path `inner`.

    Examples
    --------
    >>> part_path("a/b").startswith("a/.b."), is_part(part_path("a/b")), is_part("a/b")
    (True, True, False)
    """
    group, _, name = inner.rpartition("/")
    return f"{group}/.{name}.{os.getpid()}.part".lstrip("/")


def is_part(path: str) -> bool:
    """Return whether a dataset was written to replace another, and has not done so yet."""
    return _PART.fullmatch(path.rpartition("/")[2]) is not None


def remove_dead_parts(h5: h5py.File, inner: str) -> None:
    """Remove what killed processes left that were to replace the dataset at path `inner`, and an own one."""
    path, _, name = inner.rpartition("/")
    group = h5[path or "/"]
    for one in list(group):
        found = _PART.fullmatch(one)
        if found is not None and found["name"] == name and not _runs_elsewhere(int(found["process"])):
            del group[one]


def swap(h5: h5py.File, part: str, inner: str) -> None:
    """Put a complete dataset in the place of the one at path `inner`."""
    del h5[inner]
    h5.move(part, inner)
    h5.flush()


def _runs_elsewhere(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
