"""Ranges are read from annotations of any form."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Lt
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from voxome.contracts.parameter import REQUIRED, AllowInfNan, Parameter, Range, range_of
from voxome.errors import InvalidInput


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Annotated[float, Interval(ge=0, le=1)], Range(minimum=0, maximum=1)),
        (Annotated[float, Ge(0), Lt(1)], Range(minimum=0, below=1)),
        (Annotated[int, Field(gt=0)], Range(above=0)),
        (Annotated[int, Interval(ge=1)] | None, Range(minimum=1)),
        (tuple[Annotated[int, Gt(0)], ...], Range(above=0)),
        (Annotated[list[Annotated[float, Ge(0)]], "sigmas"], Range(minimum=0)),
        (float, None),
        (Annotated[float, "a remark"], None),
        (Literal["a", "b"], None),
    ],
)
def test_ranges_are_read_from_annotations(annotation: Any, expected: Range | None) -> None:
    assert range_of(annotation) == expected


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_range_keeps_its_limits_as_json(low: float, high: float) -> None:
    assert range_of(Annotated[float, Interval(ge=low, lt=high)]) == Range(minimum=low, below=high)
    assert Range(minimum=low, below=high).to_json() == {"minimum": low, "exclusiveMaximum": high}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Annotated[float, Interval(ge=0, le=1)], "a number, 0 to 1"),
        (Annotated[int, Ge(0)] | None, "a whole number, at least 0"),
        (Literal["mean", "mode"], "one of mean, mode"),
        (Annotated[Literal["mean"], "a remark"], "one of mean"),
        (bool, "true or false"),
        (tuple[int, int], "2 whole numbers"),
        (tuple[float, ...] | None, "numbers, separated by commas"),
        (Annotated[list[int], "a remark"], "whole numbers, separated by commas"),
        (complex, None),
    ],
)
def test_expected_values_are_described_in_words(annotation: Any, expected: str | None) -> None:
    assert Parameter("at", annotation, 0).expected == expected


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (float, float("nan"), "expected a finite number"),
        (float, "inf", "expected a finite number"),
        (Annotated[float, Ge(0)] | None, float("inf"), "expected a finite number, at least 0"),
        (tuple[float, ...], [1.0, float("nan")], "expected finite numbers, separated by commas"),
        (int, float("inf"), "expected a whole number"),
    ],
)
def test_nan_and_infinity_are_no_numbers(annotation: Any, value: object, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Parameter("at", annotation, REQUIRED).check(value)
    assert str(caught.value).endswith(expected)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Annotated[float, AllowInfNan()] | None, None),
        (tuple[Annotated[float, AllowInfNan()], ...], ()),
        (float, float("inf")),
    ],
)
def test_nan_and_infinity_are_numbers_where_they_are_meant(annotation: Any, default: object) -> None:
    value = (float("inf"),) if default == () else float("inf")
    assert Parameter("at", annotation, default).check(value) == value
