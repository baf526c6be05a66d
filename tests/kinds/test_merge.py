"""Folding of rows: results do not depend on the order or grouping of blocks."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxome.contracts.kinds import Rows
from voxome.errors import CorruptData
from voxome.kinds import Table, merge
from voxome.resources.table import TableFile, write_table
from voxome.storage.find import storage_at

KIND = Table(
    {"a": "uint64", "b": "int64", "total": "int64", "low": "int64", "high": "float64"},
    key=("a", "b"),
    fold={"total": "sum", "low": "min", "high": "max"},
)
ROW = st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(-99, 99), st.integers(-9, 9), st.floats(0, 1))


def _rows(rows: list[tuple[float, ...]]) -> Rows:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(KIND.columns)
    return {n: np.array(v, dtype=d) for (n, d), v in zip(KIND.columns.items(), columns, strict=True)}


def _expected(rows: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    groups: dict[tuple[float, float], list[tuple[float, ...]]] = defaultdict(list)
    for row in rows:
        groups[row[0], row[1]].append(row)
    return [
        (*key, sum(r[2] for r in found), min(r[3] for r in found), max(r[4] for r in found))
        for key, found in sorted(groups.items())
    ]


def _listed(rows: Rows) -> list[tuple[float, ...]]:
    return list(zip(*(rows[name].tolist() for name in KIND.columns), strict=True))


@given(st.lists(ROW, max_size=30))
def test_rows_of_one_key_are_combined(rows: list[tuple[float, ...]]) -> None:
    assert _listed(KIND.folding.apply(_rows(rows))) == _expected(rows)


def _merged(parts: list[Rows], kind: Table) -> Rows:
    with tempfile.TemporaryDirectory() as folder, patch.multiple(merge, _FAN_IN=2, ROWS_AT_ONCE=3):
        paths = [Path(folder) / f"{number}.parquet" for number in range(len(parts))]
        for path, rows in zip(paths, parts, strict=True):
            write_table(path, kind.folding.apply(rows), kind.columns)
        merge.merge_parts(map(str, paths), f"{folder}/all.parquet", storage_at(f"{folder}/scratch"), kind.folding)
        assert len(list(Path(folder).iterdir())) == len(parts) + 1
        return TableFile(Path(folder) / "all.parquet").read()


@pytest.mark.slow
@given(st.lists(st.lists(ROW, max_size=20), max_size=6))
@settings(max_examples=40, deadline=None)
def test_parts_are_merged_as_if_they_were_one(parts: list[list[tuple[float, ...]]]) -> None:
    everything = _expected([row for part in parts for row in part])
    assert _listed(_merged([_rows(part) for part in parts], KIND)) == everything


@pytest.mark.slow
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(-2, 2)), max_size=20), max_size=6))
@settings(max_examples=40, deadline=None)
def test_rows_without_folds_are_merged_in_order(parts: list[list[tuple[int, int]]]) -> None:
    kind = Table({"v": "int64", "a": "uint64"}, key=("a",))
    rows = [{"a": np.array([a for a, _ in p], np.uint64), "v": np.array([v for _, v in p], np.int64)} for p in parts]
    found = _merged(rows, kind)
    assert list(zip(found["a"], found["v"], strict=True)) == sorted(row for part in parts for row in part)


@pytest.mark.slow
@pytest.mark.parametrize("fold", [{}, {"n": "sum"}])
@given(
    parts=st.lists(
        st.lists(st.tuples(st.sampled_from([0.5, -np.inf, np.inf, np.nan]), st.integers(0, 2)), max_size=9), max_size=6
    )
)
@settings(max_examples=40, deadline=None)
def test_rows_with_nan_are_merged_as_if_they_were_one(
    parts: list[list[tuple[float, int]]], fold: dict[str, Any]
) -> None:
    kind = Table({"v": "float64", "n": "int64"}, key=("v",), fold=fold)
    rows = [{"v": np.array([v for v, _ in p], float), "n": np.array([n for _, n in p], np.int64)} for p in parts]
    merged = _merged(rows, kind)
    expected = kind.folding.apply({name: np.concatenate([[], *(one[name] for one in rows)]) for name in ("v", "n")})
    for name in ("v", "n"):
        assert np.array_equal(merged[name], expected[name], equal_nan=True)
    assert not fold or np.isnan(merged["v"]).sum() <= 1


def test_nan_in_another_column_than_the_key_is_merged() -> None:
    kind = Table({"id": "uint64", "v": "float64"}, key=("id",))
    merged = _merged([{"id": np.array([1, 2], np.uint64), "v": np.array([0.5, np.nan])}] * 2, kind)
    assert merged["id"].tolist() == [1, 1, 2, 2]
    assert np.array_equal(merged["v"], [0.5, 0.5, np.nan, np.nan], equal_nan=True)


def test_a_key_that_has_no_order_is_an_error(tmp_path: Path) -> None:
    kind = Table({"id": "uint64"}, key=("id",))
    write_table(tmp_path / "a.parquet", {"id": np.array([1], np.uint64)}, kind.columns)
    with (
        patch.object(merge, "_up_to", return_value=0),
        pytest.raises(CorruptData, match=r"a\.parquet cannot be merged"),
    ):
        list(merge.merged_rows([str(tmp_path / "a.parquet")], kind.folding))


def test_a_table_without_folds_keeps_every_row_in_a_fixed_order() -> None:
    kind = Table({"a": "uint64", "v": "int64"}, key=("a",))
    rows = {"a": np.array([2, 1, 2], np.uint64), "v": np.array([5, 1, 4])}
    assert kind.folding.apply(rows)["v"].tolist() == [1, 4, 5]
