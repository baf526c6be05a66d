"""What a test needs from its machine: where that is missing, the test skips and says why; under CI it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_FOLDERS = (*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/sbin")


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it under CI, where nothing may be left out unnoticed."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI needs it)", pytrace=False)
    pytest.skip(reason)


def program(name: str, *, package: str, folders: tuple[str, ...] = ()) -> str:
    """Return the path of an installed program.

    Parameters
    ----------
    name : str
        Name of the program.
    package : str
        Package of Debian that has it.
    folders : tuple of str
        Further folders to search; the last one in order of names wins, as in ``/usr/lib/postgresql/*/bin``.
    """
    further = [str(path) for pattern in folders for path in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)]
    path = shutil.which(name, path=os.pathsep.join([*_FOLDERS, *further]))
    return path or unavailable(f"{name} is not installed: run `make peers`, or apt-get install {package}")
