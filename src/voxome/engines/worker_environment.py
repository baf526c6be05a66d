"""Environment variables of workers: what libraries need to keep to their cores and memory."""

from __future__ import annotations

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VOXOME_THREADS",
)
_MEMORY_VARIABLES = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Make all libraries free memory into one pool, from which it returns to the system."""


def worker_environment(threads: int) -> dict[str, str]:
    """Return the variables that keep a worker to so many threads, and have it return memory to the system."""
    return {**dict.fromkeys(_THREAD_VARIABLES, str(threads)), **_MEMORY_VARIABLES}
