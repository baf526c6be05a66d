"""Negative labels, which only the jobs of a run find: the volume is wrong, not the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voxome.errors import InvalidInput, NegativeLabel, RunFailed


@contextmanager
def refuse_negative_labels(name: str) -> Iterator[None]:
    """Turn the failure of a run in which a job found a negative label into the error of the volume `name`.

    Raises
    ------
    InvalidInput
        In place of `RunFailed`.
    """
    try:
        yield
    except RunFailed as failure:
        for job, error_type in sorted(failure.error_types.items()):
            if error_type == NegativeLabel.__name__:
                raise InvalidInput(f"{name}: {failure.errors[job]}") from failure
        raise
