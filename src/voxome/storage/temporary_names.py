"""Names of files and folders that are written beside what they replace, and removal of what killed processes left."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from voxome.storage.processes import has_ended, host_name, start_time

_OWNER = r"(?P<host>[0-9a-f]{8})-(?P<process>\d+)-(?P<started>\d*)-[0-9a-f]{8}"
_BESIDE = re.compile(rf"\.{_OWNER}-(?P<name>.+?)(\.part)?", re.DOTALL)
OWNER = re.compile(_OWNER)
"""What `new_owner` returns."""
_MOST_BYTES = 200
"""Longest name to which an owner can be added: file systems take 255 bytes."""


def new_owner() -> str:
    """Return a text that no other call returns, on any machine, with the identity of this process.

    Examples
    --------
    >>> OWNER.fullmatch(new_owner()) is not None, new_owner() == new_owner()
    (True, False)
    """
    return f"{_host()}-{os.getpid()}-{start_time(os.getpid())}-{os.urandom(4).hex()}"


def is_abandoned(owner: str) -> bool:
    """Return whether `owner` is of a process of this machine that has ended; what runs elsewhere is not known."""
    found = OWNER.fullmatch(owner)
    return found is not None and found["host"] == _host() and has_ended(int(found["process"]), found["started"])


def temporary_path(path: Path) -> Path:
    """Return a new path beside `path`, with its suffix at the end, by which the format is known."""
    return path.with_name(f".{new_owner()}-{_short_name(path)}")


def part_path(path: Path) -> Path:
    """Return a new path beside `path` whose suffix ``.part`` marks it as incomplete."""
    return path.with_name(f".{new_owner()}-{_short_name(path)}.part")


def _short_name(path: Path) -> str:
    """Return the name of a path, or a digest of it and its end, with the suffix, if it is long."""
    name = os.fsencode(path.name)
    return path.name if len(name) <= _MOST_BYTES else f"{hashlib.sha256(name).hexdigest()[:32]}{path.name[-16:]}"


def remove_abandoned(path: Path) -> None:
    """Remove what killed processes left at their temporary paths and parts of `path`; raises OSError if that fails."""
    with os.scandir(path.parent) as entries:
        names = [one.name for one in entries if one.name.startswith(".")]
    expected = _short_name(path)
    for name in names:
        found = _BESIDE.fullmatch(name)
        if found is None or found["name"] != expected or not is_abandoned(name[1 : found.start("name") - 1]):
            continue
        one = path.parent / name
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink(missing_ok=True)


def _host() -> str:
    return hashlib.sha256(host_name().encode()).hexdigest()[:8]
