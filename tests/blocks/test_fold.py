"""Folding rows: the order and the grouping of blocks must not show."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voxome.blocks.fold import fold_parts, fold_rows
from voxome.contracts.kinds import Rows, Table

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
    assert _listed(fold_rows(_rows(rows), KIND)) == _expected(rows)


@given(st.lists(st.lists(ROW, max_size=8), max_size=6), st.randoms())
def test_parts_fold_to_the_same_in_any_order(parts: list[list[tuple[float, ...]]], random: np.random.Generator) -> None:
    everything = _expected([row for part in parts for row in part])
    random.shuffle(parts)
    assert _listed(fold_parts((fold_rows(_rows(part), KIND) for part in parts), KIND)) == everything


def test_a_table_without_folds_keeps_every_row_in_one_order() -> None:
    kind = Table({"a": "uint64", "v": "int64"}, key=("a",))
    rows = {"a": np.array([2, 1, 2], np.uint64), "v": np.array([5, 1, 4])}
    assert fold_rows(rows, kind)["v"].tolist() == [1, 4, 5]
