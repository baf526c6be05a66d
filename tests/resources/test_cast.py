"""Dtype conversion keeps every value or refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.resources.cast import cast_exact

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(max_dims=3, max_side=4)))


@pytest.mark.slow
@given(ARRAYS, st.sampled_from(DTYPES))
def test_values_are_kept_or_refused(data: NDArray[Any], dtype: str) -> None:
    def exact(array: NDArray[Any]) -> list[Any]:
        return [repr(value) if value != value else value for value in array.ravel().tolist()]

    try:
        cast = cast_exact(data, np.dtype(dtype))
    except InvalidInput:
        with np.errstate(all="ignore"):
            assert exact(data.astype(dtype)) != exact(data)
        return
    assert cast.dtype == dtype
    assert exact(cast) == exact(data)


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        (300, "uint16", "uint8"),
        (-1, "int64", "uint64"),
        (2**64 - 1, "uint64", "int64"),
        (2**64 - 1, "uint64", "float64"),
        (2**53 + 1, "int64", "float64"),
        (2.0**64, "float64", "uint64"),
        (0.5, "float32", "uint8"),
        (float("nan"), "float32", "int32"),
        (1e300, "float64", "float32"),
        (2, "uint8", "bool"),
        (1j, "complex64", "float32"),
    ],
)
def test_values_that_would_change_are_refused(value: Any, old: str, new: str) -> None:
    with pytest.raises(InvalidInput):
        cast_exact(np.array([0, value], old), np.dtype(new))


def test_nan_and_infinity_are_kept() -> None:
    cast = cast_exact(np.array([np.nan, np.inf, -np.inf, 1.5], "float64"), np.dtype("float32"))
    assert np.array_equal(cast, np.array([np.nan, np.inf, -np.inf, 1.5], "float32"), equal_nan=True)
