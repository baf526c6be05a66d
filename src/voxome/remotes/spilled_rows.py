"""Rows in a temporary file, sorted into partitions as they come: the first half of an external sort."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.storage.atomic import storing

PARTITIONS = 256
"""Number of partitions; a number of one is a uint8."""


class SpilledRows:
    """Rows of one dtype in a temporary file, which can be read partition by partition.

    Parameters
    ----------
    path : Path
        The file, which is created.
    dtype : numpy.dtype
        Of a row.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._path, self._dtype = path, np.dtype(dtype)
        self._runs: list[NDArray[np.int64]] = []
        self._end = 0
        with storing(path):
            self._file = path.open("w+b")

    def __len__(self) -> int:
        return self._end

    def append(self, rows: NDArray[Any], partitions: NDArray[np.uint8]) -> None:
        """Write rows, each into its partition, where it comes after those before."""
        order = np.argsort(partitions, kind="stable")
        counts = np.bincount(partitions, minlength=PARTITIONS)
        with storing(self._path):
            self._file.seek(self._end * self._dtype.itemsize)
            self._file.write(rows.astype(self._dtype, copy=False)[order].tobytes())
        self._runs.append(self._end + np.concatenate([[0], np.cumsum(counts)]))
        self._end += len(rows)

    def read(self, partitions: Iterable[int]) -> NDArray[Any]:
        """Return the rows of some partitions, one partition after the other, in the order in which they came."""
        ranges = [(int(run[one]), int(run[one + 1])) for one in partitions for run in self._runs]
        out = bytearray(sum(stop - start for start, stop in ranges) * self._dtype.itemsize)
        view, at = memoryview(out), 0
        with storing(self._path):
            for start, stop in ranges:
                size = (stop - start) * self._dtype.itemsize
                self._file.seek(start * self._dtype.itemsize)
                self._file.readinto(view[at : at + size])
                at += size
        return np.frombuffer(out, self._dtype)

    def close(self) -> None:
        """Close the file, and remove it."""
        self._file.close()
        self._path.unlink(missing_ok=True)
