"""Paths of data that are one file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from voxome.contracts.kinds import Target
from voxome.contracts.uri import Uri
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath


def with_suffix(base: str, suffix: str) -> str:
    """Return `base` with a suffix; options after ``?`` are kept.

    Examples
    --------
    >>> with_suffix("s3://bucket/neurons?region=us-east-1", ".parquet")
    's3://bucket/neurons.parquet?region=us-east-1'
    """
    path, mark, options = base.rpartition("?") if Uri.parse(base).query else (base, "", "")
    return f"{path}{suffix}{mark}{options}"


def parts_folder(target: Target) -> StoragePath:
    """Return the folder of the parts of an output."""
    return storage_at(target.folder) / target.name


def part_name(phase: int, job: int, suffix: str = ".parquet") -> str:
    """Return the file name of the rows of one job."""
    return f"{phase}-{job:07d}{suffix}"


def has_lost_parts(target: Target, done: Sequence[Collection[int]], suffix: str = ".parquet") -> bool:
    """Return whether the part of a finished job is missing."""
    return parts_folder(target).lacks(part_name(phase, job, suffix) for phase, jobs in enumerate(done) for job in jobs)
