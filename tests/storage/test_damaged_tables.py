"""Damaged Parquet tables end in an error of voxome, whoever reads them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from voxome.errors import CorruptData, OutOfMemory, VoxomeError
from voxome.models.pixels.points import _read_columns
from voxome.remotes.annotation_files.remote import _rows, _schema
from voxome.remotes.precomputed.beside_table import BesideTable
from voxome.resources.table import TableFile
from voxome.storage.local import LocalPath

COUNT = 200
IDS = np.arange(COUNT, dtype=np.uint64)


def beside(path: Path) -> None:
    BesideTable(LocalPath(str(path)), ["note"]).lookup(IDS, np.zeros(COUNT, np.uint64))


def annotation_rows(path: Path) -> None:
    list(_rows(LocalPath(str(path)), _schema(LocalPath(str(path)))))


def points(path: Path) -> None:
    _read_columns(str(path))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    columns = {name: np.arange(COUNT) for name in ("z_nm", "y_nm", "x_nm")}
    rows = {"id": IDS, "shard": np.zeros(COUNT, np.uint32), "note": ["a"] * COUNT, "class": ["b"] * COUNT, **columns}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet", compression="zstd", row_group_size=64)
    return tmp_path / "a.parquet"


@pytest.mark.parametrize("read", [beside, annotation_rows, points])
def test_damage_is_an_error_of_voxome(stored: Path, read: Callable[[Path], None]) -> None:
    read(stored)
    whole = stored.read_bytes()
    for seed in range(150):
        random, data = Random(seed), bytearray(whole)
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        stored.write_bytes(bytes(data[: random.choice((len(data), len(data), random.randrange(len(data)))) or 1]))
        with suppress(VoxomeError):
            read(stored)


def test_properties_without_statistics_are_corrupt(stored: Path) -> None:
    pq.write_table(pq.read_table(stored), stored, write_statistics=False)
    with pytest.raises(CorruptData, match="no smallest and largest id"):
        beside(stored)


def test_a_lack_of_memory_is_no_damage(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 5 failed")

    table = TableFile(stored)
    monkeypatch.setattr(pq.ParquetFile, "read", fail)
    with pytest.raises(OutOfMemory, match=r"malloc of size 5 failed; read it where there is more memory") as caught:
        table.read()
    assert not isinstance(caught.value, CorruptData)
