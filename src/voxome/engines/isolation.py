"""State of a process that jobs could leave behind for each other."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def restore_state() -> Iterator[None]:
    """Restore what a job may change for the next one in its process, also if it fails.

    That is the working directory, environment variables, filters of warnings, and the generators of random numbers of
    Python and NumPy.

    Yields
    ------
    None
    """
    folder, variables, filters = _working_directory(), dict(os.environ), list(warnings.filters)
    seed, numpy_seed = random.getstate(), _numpy_state()
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
        random.setstate(seed)
        _restore_numpy(numpy_seed)


def _working_directory() -> Path | None:
    """Return the working directory, or None if it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def _numpy_state() -> Any:
    """Return the state of NumPy's global generator; None before it is imported."""
    numpy_random = sys.modules.get("numpy.random")
    return None if numpy_random is None else numpy_random.get_state()


def _restore_numpy(state: Any) -> None:
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return
    if state is None:
        numpy_random.seed()
    else:
        numpy_random.set_state(state)
