"""Rows that a tool returns for a table."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.contracts.kinds import Target
from voxome.errors import InvalidInput
from voxome.kinds.rows import require_rows

TARGET = Target(
    name="rows", tool="lab.where", uri="", folder="", step="", key="", frame=None, block=(1, 1, 1), parameters={}
)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(3), "The output 'rows' of lab.where is a ndarray; expected a mapping of id, mean"),
        ({"id": np.zeros(3)}, "'rows' of lab.where lacks the columns mean; its kind has id, mean"),
        ({"id": np.zeros(3), "mean": np.zeros(2)}, "of lab.where differ in length: {'id': 3, 'mean': 2}"),
    ],
)
def test_rows_that_do_not_fit_the_table_are_explained(value: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        require_rows(value, ("id", "mean"), TARGET)


def test_rows_of_all_columns_are_returned_as_they_are() -> None:
    rows = {"id": np.zeros(3), "mean": np.zeros(3)}
    assert require_rows(rows, ("id", "mean"), TARGET) is rows
