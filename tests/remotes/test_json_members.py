"""Members of metadata in JSON are checked, and named."""

from __future__ import annotations

from typing import Any

import pytest

from voxome.remotes.json_members import (
    problem_of,
    require_list,
    require_numbers,
    require_object,
    require_text,
    require_whole_numbers,
)


def test_numbers_may_be_written_as_floats_and_lengths_as_text() -> None:
    assert require_whole_numbers("size", [64, 32.0], 1, 2) == [64, 32]
    assert require_numbers("scale", [4, "2.5"], 2) == [4.0, 2.5]


@pytest.mark.parametrize(
    "value", [None, 5, "64", {}, [64], [64, 0], [64, True], [64, 1.5], [64, float("nan")]], ids=str
)
def test_anything_but_two_whole_numbers_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^size is .*; expected 2 whole numbers of at least 1$"):
        require_whole_numbers("size", value, 1, 2)


@pytest.mark.parametrize("value", [None, 5, "64", {}, [64], [64, "a"], [64, True], [64, float("inf")]], ids=str)
def test_anything_but_two_finite_numbers_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^scale is .*; expected 2 numbers"):
        require_numbers("scale", value, 2)


@pytest.mark.parametrize(
    ("require", "noun"), [(require_object, "an object"), (require_list, "a list"), (require_text, "text")]
)
def test_a_member_of_another_type_is_named(require: Any, noun: str) -> None:
    with pytest.raises(ValueError, match=f"^key is 7; expected {noun}$"):
        require("key", 7)


def test_a_missing_member_is_named_as_missing() -> None:
    assert problem_of(KeyError("key")) == "'key' is missing"
