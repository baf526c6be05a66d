"""State of a process that jobs could leave behind for each other."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def restore_state() -> Iterator[None]:
    """Restore what a job may change for the next one in its process, also if it fails.

    That is the working directory, environment variables and filters of warnings. The generators of random numbers of
    Python and NumPy get another seed.

    Yields
    ------
    None
    """
    folder, variables, filters = _working_directory(), dict(os.environ), list(warnings.filters)
    try:
        yield
    finally:
        if folder is not None and folder != _working_directory():
            with suppress(FileNotFoundError):
                os.chdir(folder)
        if dict(os.environ) != variables:
            os.environ.clear()
            os.environ.update(variables)
        if list(warnings.filters) != filters:
            warnings.resetwarnings()
            warnings.filters[:] = filters  # type: ignore[index]
        _seed()


def _working_directory() -> Path | None:
    """Return the working directory, or None if it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _seed() -> None:
    """Seed the generators of Python and NumPy as a new process does: no job repeats the numbers of another."""
    random.seed()
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()
