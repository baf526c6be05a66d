"""Memory of this process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from functools import cache
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_peak_of_programs = 0
_freezes = False


def freeze_survivors() -> None:
    """Leave out of later collections what survives one: of modules above all, which takes longer than a small job.

    For processes that end with their run. Their end is shorter, too.
    """
    global _freezes
    _freezes = True


def release_free_memory() -> None:
    """Return memory that this process has freed to the system, that of cycles of objects included."""
    gc.collect()
    if _freezes:
        gc.freeze()
    trim_memory()


def trim_memory() -> None:
    """Return memory that is free already to the system."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            _c_library().malloc_trim(0)


@cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def reset_peak() -> None:
    """Restart the measurement of the peak, on systems that can."""
    global _peak_of_programs
    _peak_of_programs = 0
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def add_program(peak_bytes: int) -> None:
    """Take the peak memory of a program that this process has called into account."""
    global _peak_of_programs
    _peak_of_programs = max(_peak_of_programs, peak_bytes)


def peak_bytes() -> int:
    """Return the peak resident memory since `reset_peak` (since the start, where the system cannot reset it).

    That of the largest program that this process has called is added.
    """
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 + _peak_of_programs
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + _peak_of_programs
