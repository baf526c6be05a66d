"""Digest of a program of this machine."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from voxome.contracts.command_tool import FOLDER, CommandLine
from voxome.errors import NotFound


def program_digest(line: CommandLine, passed: Mapping[str, str]) -> str:
    """Return the digest of a program, of the scripts among its arguments, and of variables that are passed to it.

    What the program itself loads is not part of it: the version in the hint stands for that.

    Raises
    ------
    NotFound
        If the program is not on this machine.
    """
    digest = hashlib.sha256(repr(sorted(passed.items())).encode() if passed else b"")
    for path in _files(line):
        status = path.stat()
        digest.update(_content_digest(str(path), status.st_mtime_ns, status.st_size))
    return digest.hexdigest()[:24]


def _files(line: CommandLine) -> Iterator[Path]:
    """Yield the program, and the arguments that are files of this machine."""
    name = line.argv[0]
    found = shutil.which(name, path=line.variables.get("PATH"))
    if found is None and name.startswith(FOLDER):
        return
    if found is None:
        raise NotFound(
            f"the program {name!r} is not on this machine, or cannot be executed; install it, or name a container "
            "image (DockerRequirement)"
        )
    yield Path(found)
    yield from file_arguments(one for one in line.argv[1:] if FOLDER not in one)


def file_arguments(words: Iterable[str]) -> Iterator[Path]:
    """Yield the files of this machine among arguments, also those after ``=``."""
    for word in words:
        path = Path(word if word.startswith("/") else word.partition("=")[2])
        if path.is_absolute() and path.is_file():
            yield path


@cache
def _content_digest(path: str, mtime_ns: int, size: int) -> bytes:
    """Return the digest of a file; it is computed again if its time or size has changed."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
