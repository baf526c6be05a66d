"""JSON text of values; what JSON cannot store is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.json_text import json_text, parse_object
from voxome.errors import InvalidInput

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(VALUES)
def test_json_values_are_kept(value: object) -> None:
    assert json.loads(json_text(value, "it", indent=1, sort_keys=True)) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": {"b": [1, Path("x")]}}, r"the plan: a\.b\.1 is of type PosixPath"),
        (np.int64(3), "the plan: the value is of type int64"),
        ({"a": {(1, 2): 3}}, r"the plan: a key \(1, 2\) is of type tuple"),
        ([{1, 2}], "the plan: 0 is of type set"),
    ],
)
def test_what_json_cannot_store_is_named(value: object, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        json_text(value, "the plan")


def test_numbers_that_json_does_not_have_are_text() -> None:
    text = json_text({"a": [math.nan, (math.inf,)], "b": -math.inf}, "it")
    assert json.loads(text, parse_constant=pytest.fail) == {"a": ["NaN", ["Infinity"]], "b": "-Infinity"}


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(InvalidInput):
        json_text(value, "the plan")


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"null", b"\xff\xfe", "3"])
def test_a_text_without_a_json_object_is_none(text: bytes | str) -> None:
    assert parse_object(text) is None


def test_json_objects_are_parsed() -> None:
    assert parse_object(b'{"a": [1, null]}') == {"a": [1, None]}
    assert parse_object("{}") == {}
