"""Writing annotations into stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput


def convert(folder: Path, values: Any, dtype: str) -> Any:
    """Return a property as it comes back after it was written as another data type."""
    positions = np.zeros((len(values), 1, 3))
    found = voxome.Annotations("point", np.arange(1, len(values) + 1), positions, {"value": np.asarray(values)})
    (points,) = voxome.create_annotations(folder / "a.parquet", found, dtypes={"value": dtype})
    return points.get(found.ids.tolist()).properties["value"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([2**53 + 1, 1], "float64"),
        ([2**24 + 1, 1], "float32"),
        ([2**63 - 1, 1], "float64"),
        (np.array([2**64 - 1, 1], np.uint64), "float64"),
        (np.array([2**64 - 1, 1], np.uint64), "int64"),
        ([-1, 1], "uint64"),
        ([300, 1], "uint8"),
        ([1.5, 1], "int32"),
        ([np.nan, 1], "int32"),
        ([1e300, 1], "float32"),
        ([2, 1], "bool"),
        (["1000", "2"], "U1"),
        ([1000, 2], "U2"),
        ([0.125, 2], "U3"),
        (["300", "2"], "uint8"),
        (["9007199254740993", "2"], "float64"),
        (["false", "True"], "bool"),
        (["a", "2"], "int32"),
    ],
)
def test_values_that_another_data_type_cannot_hold_are_refused(tmp_path: Path, values: Any, dtype: str) -> None:
    with pytest.raises(InvalidInput, match=r"'value' (has values that|cannot be converted)"):
        convert(tmp_path, values, dtype)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([2**53, 1], "float64", [2**53, 1]),
        ([0.1, np.nan, np.inf], "float32", np.float32([0.1, np.nan, np.inf])),
        ([1.0, 255.0], "uint8", [1, 255]),
        ([0, 1], "bool", [False, True]),
        ([10, 2], "U2", ["10", "2"]),
        (["10", "2"], "U8", ["10", "2"]),
        (["10", "007"], "int64", [10, 7]),
        (["0.1", "2"], "float64", [0.1, 2]),
    ],
)
def test_values_that_another_data_type_holds_are_converted(
    tmp_path: Path, values: Any, dtype: str, expected: Any
) -> None:
    np.testing.assert_array_equal(convert(tmp_path, values, dtype), expected)
