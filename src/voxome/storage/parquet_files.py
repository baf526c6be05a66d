"""Parquet tables of file objects, read by the thread that asks."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq


def open_parquet(file: BinaryIO) -> pq.ParquetFile:
    """Return the table of a file object, which no thread of Arrow touches.

    Arrow reads ahead in threads of its own. One that lets go of the last reference to a file object while the
    interpreter ends aborts the process, after everything has been done.

    Raises
    ------
    pyarrow.ArrowException, OSError
        If it is damaged, see `voxome.storage.damaged_tables`.
    """
    return pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False)
