from __future__ import annotations

import io
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from voxome.storage.parquet_files import open_parquet


class Watched(io.BytesIO):
    """A file that notes which threads read it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.threads: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.threads.add(threading.get_ident())
        return super().read(size)


@pytest.fixture
def file() -> Watched:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": range(100), "b": range(100)}), buffer, row_group_size=20)
    return Watched(buffer.getvalue())


@pytest.mark.parametrize("how", ["read", "read_row_groups", "iter_batches"])
def test_only_the_thread_that_asks_reads_the_file(file: Watched, how: str) -> None:
    table = open_parquet(file)
    if how == "iter_batches":
        read = pa.Table.from_batches(table.iter_batches(7, use_threads=False))
    elif how == "read_row_groups":
        read = table.read_row_groups(range(5), use_threads=False)
    else:
        read = table.read(use_threads=False)
    assert read["b"].to_pylist() == list(range(100))
    assert file.threads == {threading.get_ident()}
