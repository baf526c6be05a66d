"""What is wrong with a value is said in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Lt
from pydantic import BaseModel, TypeAdapter, ValidationError

from voxome.contracts.validation import describe_problem


class _Model(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (int, "x", "expected a whole number"),
        (int, 1.5, "expected a whole number"),
        (float, [], "expected a number"),
        (bool, "maybe", "expected true or false"),
        (str, 3, "expected text"),
        (Path, 3, "expected a path"),
        (dict[str, int], 3, "expected a table of names and values"),
        (_Model, 3, "expected a table of names and values"),
        (_Model, {}, "missing"),
        (list[int], 3, "expected a list"),
        (Annotated[int, Ge(1)], 0, "expected at least 1"),
        (Annotated[float, Lt(2)], 2, "expected less than 2"),
        (Literal["a", "b"], "c", "expected one of 'a', 'b'"),
    ],
    ids=str,
)
def test_problems_are_in_plain_english(annotation: Any, value: object, words: str) -> None:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(annotation).validate_python(value)
    assert describe_problem(error.value.errors()[0]) == words
