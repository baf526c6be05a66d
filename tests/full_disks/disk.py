"""A small file system in memory, filled but for some bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20
_BALLAST = "ballast"


@contextmanager
def small_disk(folder: Path, nbytes: int) -> Iterator[Path]:
    """Mount a file system of a few bytes."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={nbytes}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def used_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def fill(disk: Path, free_bytes: int) -> None:
    """Fill the disk until so many bytes are free, or as many as there are."""
    size = max(0, shutil.disk_usage(disk).free - free_bytes)
    with (disk / _BALLAST).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size) if size else None


def free(disk: Path) -> None:
    """Remove what `fill` wrote."""
    (disk / _BALLAST).unlink()


def files(disk: Path) -> list[str]:
    """Return the paths of the files on the disk, without that of `fill`."""
    return sorted(str(one.relative_to(disk)) for one in disk.rglob("*") if one.is_file() and one.name != _BALLAST)
