"""What is wrong with a value, in our words rather than pydantic's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "string": "text",
    "path": "a path",
    "date": "a date, as 2026-01-31",
    "dict": "a table of names and values",
    "model": "a table of names and values",
    "list": "a list",
    "tuple": "a list",
}
"""First word of a type of error → what was expected."""
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def describe_problem(error: ErrorDetails) -> str:
    """Return what was expected instead of an invalid value, for the end of a sentence.

    Examples
    --------
    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(int).validate_python("many")
    ... except ValidationError as error:
    ...     describe_problem(error.errors()[0])
    'expected a whole number'
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"expected {words} {context[name]:g}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "missing"
    if kind in ("literal_error", "enum"):
        return f"expected one of {context['expected'].replace(' or ', ', ')}"
    if kind == "string_pattern_mismatch":
        return f"expected text that matches {context['pattern']}"
    expected = _EXPECTED.get(kind.partition("_")[0])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}" if expected is None else f"expected {expected}"


def describe_problems(error: ValidationError) -> str:
    """Return all that is wrong with a value, on one line, with the names of its members.

    Examples
    --------
    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(dict[str, int]).validate_python({"a": "many", "b": 1.5})
    ... except ValidationError as error:
    ...     describe_problems(error)
    'a: expected a whole number; b: expected a whole number'
    """
    problems = error.errors(include_url=False, include_input=False)
    return "; ".join(": ".join(filter(None, (_path(one), describe_problem(one)))) for one in problems)


def _path(error: ErrorDetails) -> str:
    return ".".join(map(str, error["loc"]))
