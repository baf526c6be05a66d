"""A parameter of a tool: its type, default, range and meaning."""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from voxome.contracts.validation import describe_problem
from voxome.errors import InvalidInput

REQUIRED = inspect.Parameter.empty
"""The default of a parameter that has none."""
_NOUNS: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Range:
    """Limits of a number, or of every number of a sequence; None stands for no limit.

    Attributes
    ----------
    minimum, maximum : float, optional
        Smallest and largest value.
    above, below : float, optional
        Limits that are not themselves allowed.

    Examples
    --------
    >>> str(Range(minimum=0, maximum=1)), str(Range(above=0)), str(Range(minimum=0, below=1))
    ('0 to 1', 'more than 0', 'at least 0 and less than 1')
    """

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g} to {self.maximum:g}"
        words = {"at least": self.minimum, "more than": self.above, "at most": self.maximum, "less than": self.below}
        return " and ".join(f"{word} {limit:g}" for word, limit in words.items() if limit is not None)

    def to_json(self) -> dict[str, float]:
        """Return the limits under the names that JSON Schema has for them."""
        names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        limits = (self.minimum, self.maximum, self.above, self.below)
        return {name: limit for name, limit in zip(names, limits, strict=True) if limit is not None}


@dataclass(frozen=True)
class AllowInfNan:
    """Mark of a number that may be NaN or infinite, as in ``Annotated[float, AllowInfNan()]``."""


@dataclass(frozen=True)
class Parameter:
    """A setting of a tool.

    Attributes
    ----------
    name : str
        As the function calls it.
    annotation : type
        Its type, with limits as in ``Annotated[float, Interval(ge=0, le=1)]``. NaN and infinity are no values, unless
        it is marked with `AllowInfNan`, or one of them is the default.
    default : object
        `REQUIRED` if it has none.
    summary : str
        Its description in the function's docstring, on one line.
    """

    name: str
    annotation: Any
    default: Any
    summary: str = ""

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED

    @property
    def range(self) -> Range | None:
        """Its limits, if its annotation has any."""
        return range_of(self.annotation)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a ``Literal``; empty for any other type."""
        types = map(_plain_type, _alternatives(self.annotation))
        return next((get_args(one) for one in types if get_origin(one) is Literal), ())

    @property
    def expected(self) -> str | None:
        """What a value should be, in words: ``a number, 0 to 1``; None where the type has no plain name."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        types = list(map(_plain_type, _alternatives(self.annotation)))
        noun = next((_NOUNS.get(one) or _sequence(one) for one in types if one is not type(None)), None)
        return noun if noun is None or self.range is None else f"{noun}, {self.range}"

    @property
    def takes_inf_nan(self) -> bool:
        """Whether NaN and infinity are values of a number."""
        meant = isinstance(self.default, float) and not math.isfinite(self.default)
        return meant or any(isinstance(mark, AllowInfNan) for mark in _marks(self.annotation))

    def check(self, value: object) -> Any:
        """Return a value converted to the type of the parameter.

        Raises
        ------
        InvalidInput
            If it has another type, or is out of range; the message says what was expected.
        """
        from pydantic import ConfigDict, TypeAdapter, ValidationError

        config = ConfigDict(allow_inf_nan=self.takes_inf_nan)
        try:
            return TypeAdapter(self.annotation, config=config).validate_python(value)
        except ValidationError as error:
            problem = error.errors()[0]
            expected = f"expected {self.expected}" if self.expected else describe_problem(problem)
            if problem["type"] == "finite_number":
                expected = re.sub(r"(?<!whole )\bnumber", "finite number", expected)
            raise InvalidInput(f"{value!r}: {expected}") from None


def range_of(annotation: Any) -> Range | None:
    """Return the limits that an annotation sets, also those of the items of a sequence."""
    for one in _alternatives(annotation):
        if get_origin(one) is Annotated:
            limits = _limits(one.__metadata__)
            if limits:
                return Range(**limits)
            found = range_of(get_args(one)[0])
        elif get_origin(one) in (tuple, list):
            found = next((item for item in map(range_of, get_args(one)) if item is not None), None)
        else:
            continue
        if found is not None:
            return found
    return None


def _marks(annotation: Any) -> Iterator[object]:
    """Yield what annotates a type, its alternatives and its items."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
    if get_origin(annotation) is not Literal:
        for one in get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]:
            yield from _marks(one)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union; any other annotation is the only one."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _plain_type(annotation: Any) -> Any:
    return _plain_type(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _sequence(annotation: Any) -> str | None:
    """Describe a sequence of numbers: "3 whole numbers" or "whole numbers, separated by commas"."""
    if get_origin(annotation) not in (tuple, list):
        return None
    items = [_plain_type(one) for one in get_args(annotation) if one is not Ellipsis]
    noun = {int: "whole numbers", float: "numbers", str: "texts"}.get(items[0])
    fixed = get_origin(annotation) is tuple and Ellipsis not in get_args(annotation)
    return noun and (f"{len(items)} {noun}" if fixed else f"{noun}, separated by commas")


def _limits(metadata: Iterable[object]) -> dict[str, Any]:
    from annotated_types import Ge, Gt, Le, Lt

    limits: dict[str, Any] = {}
    for one in _flat(metadata):
        match one:
            case Ge(ge):
                limits["minimum"] = ge
            case Gt(gt):
                limits["above"] = gt
            case Le(le):
                limits["maximum"] = le
            case Lt(lt):
                limits["below"] = lt
    return limits


def _flat(metadata: Iterable[object]) -> Iterator[object]:
    """Limits one by one: those of an ``Interval``, and those of a pydantic ``Field``, among them."""
    from annotated_types import GroupedMetadata

    for one in metadata:
        if isinstance(one, GroupedMetadata):
            yield from _flat(one)
        else:
            yield from _flat(getattr(one, "metadata", ())) if hasattr(one, "metadata") else (one,)
