from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxome.contracts.id_groups import group_of
from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData
from voxome.kinds import group_parts
from voxome.kinds.group_parts import PartWriter, read_group
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

COLUMNS = {"id": "uint64", "block": "int64", "piece": "bytes"}
GROUPS = 8


def rows_of(block: int, seed: int = 0) -> Rows:
    rng = np.random.default_rng(block + seed)
    ids = rng.integers(1, 60, 40).astype(np.uint64)
    pieces = np.empty(len(ids), object)
    pieces[:] = [rng.bytes(int(rng.integers(0, 3000))) for _ in ids]
    return {"id": ids, "block": np.full(len(ids), block), "piece": pieces}


@pytest.fixture
def parts(tmp_path: Path) -> tuple[StoragePath, list[str]]:
    """Three parts of two blocks each."""
    folder = storage_at(str(tmp_path / "parts"))
    names = [f"{job}.rows" for job in range(3)]
    writer = PartWriter(COLUMNS, GROUPS)
    for job, name in enumerate(names):
        for block in (2 * job, 2 * job + 1):
            writer.append(rows_of(block))
        writer.write(folder / name)
    return folder, names


def test_every_row_is_in_its_group_in_the_order_of_the_blocks(parts: tuple[StoragePath, list[str]]) -> None:
    whole = [rows_of(block) for block in range(6)]
    for group in range(GROUPS):
        found = list(read_group(*parts, group, COLUMNS))
        for name in COLUMNS:
            expected = np.concatenate([one[name][group_of(one["id"], GROUPS) == group] for one in whole])
            values = np.concatenate([one[name] for one in found])
            np.testing.assert_array_equal(values, expected)


def test_a_group_reads_its_own_bytes_and_two_ranges_of_a_part(
    parts: tuple[StoragePath, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = parts
    ranges: list[tuple[str, int, int]] = []
    original = type(folder).read_ranges

    def read_ranges(self: StoragePath, wanted: Any) -> Any:
        ranges.extend(wanted)
        return original(self, wanted)

    monkeypatch.setattr(type(folder), "read_ranges", read_ranges)
    for group in range(GROUPS):
        ranges.clear()
        list(read_group(folder, names, group, COLUMNS))
        assert len(ranges) <= 2 * len(names)
    total = sum(len((folder / name).read_bytes() or b"") for name in names)
    ranges.clear()
    for group in range(GROUPS):
        list(read_group(folder, names, group, COLUMNS))
    assert sum(stop - start for _, start, stop in ranges) < total + 3 * 16 * GROUPS


def test_long_ranges_are_read_one_by_one(parts: tuple[StoragePath, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [one["block"].tolist() for one in read_group(*parts, 3, COLUMNS)]
    monkeypatch.setattr(group_parts, "_AT_ONCE", 1)
    assert [one["block"].tolist() for one in read_group(*parts, 3, COLUMNS)] == expected


def test_rows_that_do_not_fit_memory_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_parts, "_IN_MEMORY", 1000)
    folder, writer = storage_at(str(tmp_path)), PartWriter(COLUMNS, 1)
    writer.append(rows_of(0))
    writer.append(rows_of(1))
    writer.write(folder / "part.rows")
    found = list(read_group(folder, ["part.rows"], 0, COLUMNS))
    assert [one["piece"].tolist() for one in found] == [rows_of(block)["piece"].tolist() for block in (0, 1)]


def test_a_part_without_rows_has_none(tmp_path: Path) -> None:
    folder = storage_at(str(tmp_path))
    PartWriter(COLUMNS, GROUPS).write(folder / "part.rows")
    assert list(read_group(folder, ["part.rows"], 5, COLUMNS)) == []


def test_rows_that_are_cleared_are_not_written(tmp_path: Path) -> None:
    folder, writer = storage_at(str(tmp_path)), PartWriter(COLUMNS, 1)
    writer.append(rows_of(0))
    writer.clear()
    writer.append(rows_of(1))
    writer.write(folder / "part.rows")
    assert [one["block"].tolist() for one in read_group(folder, ["part.rows"], 0, COLUMNS)] == [[1] * 40]


@pytest.mark.parametrize("length", [10, 80, -1])
def test_a_part_that_is_cut_short_is_named(parts: tuple[StoragePath, list[str]], length: int) -> None:
    folder, names = parts
    file = folder / names[1]
    file.write_bytes((file.read_bytes() or b"")[:length])
    with pytest.raises(CorruptData, match="remove it, and rerun what computes it"):
        list(read_group(folder, names, GROUPS - 1, COLUMNS))


def test_a_part_that_is_missing_is_named(parts: tuple[StoragePath, list[str]]) -> None:
    folder, names = parts
    (folder / names[2]).unlink()
    with pytest.raises(CorruptData, match=r"the part 2\.rows .* missing"):
        list(read_group(folder, names, 0, COLUMNS))
