"""Variants of a virtual layer: other parameters, in its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxome.contracts.cwl_type import cwl_type
from voxome.contracts.parameter import Parameter
from voxome.contracts.ports import port_of
from voxome.contracts.tool import ToolSpec
from voxome.errors import InvalidInput, UnknownName
from voxome.workflow.run_tool import graph_of

SEPARATOR = ";"
"""What follows the name of a layer are parameters: ``lab/edges;at=100``."""
_LONGEST = 512


def variant_in(path: str) -> str:
    """Return the variant whose files a path names; empty if there is none.

    Examples
    --------
    >>> variant_in("lab/edges;at=5/0/"), variant_in("lab/edges/0/")
    ('lab/edges;at=5', '')
    """
    name, separator, rest = path.partition(SEPARATOR)
    changes, slash, _ = rest.partition("/")
    return f"{name}{separator}{changes}" if slash else ""


@dataclass(frozen=True)
class Setting:
    """A parameter that clients may change, and its value."""

    parameter: Parameter
    value: Any

    def to_json(self) -> dict[str, Any]:
        """Return name, type in words of CWL, value, limits or choices, and meaning, as JSON values."""
        one = self.parameter
        kind = cwl_type(one.annotation)
        limits = one.range.to_json() if one.range is not None else {}
        choices = {"choices": list(one.choices)} if one.choices else {}
        special = isinstance(self.value, float) and not math.isfinite(self.value)
        value = str(self.value) if special else self.value  # JSON has no NaN
        return {
            "name": one.name, "type": kind if isinstance(kind, str) else kind["type"], "value": value, **limits,
            **choices, "summary": one.summary,
        }  # fmt: skip


def parse_changes(text: str, spec: ToolSpec, variable: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return parameters that are written ``NAME=VALUE;NAME=VALUE``, as values of their types.

    Parameters
    ----------
    text : str
        What follows the first semicolon of a name.
    spec : ToolSpec
        The tool.
    variable : mapping of str to Parameter
        Parameters that may be changed.

    Raises
    ------
    InvalidInput
        If it is too long or malformed, or a value has another type or is out of range.
    UnknownName
        If a parameter does not exist, or cannot be changed.
    """
    if len(text) > _LONGEST:
        raise InvalidInput(f"the parameters in the name have {len(text)} characters; expected at most {_LONGEST}")
    inputs = graph_of(spec).inputs
    values: dict[str, Any] = {}
    for part in text.split(SEPARATOR):
        name, equals, value = part.partition("=")
        if not equals:
            raise InvalidInput(f"{part!r} in the name is not a parameter; expected NAME=VALUE, separated by semicolons")
        if name not in variable:
            raise UnknownName.of("parameter that can be changed", name, variable)
        if name in values:
            raise InvalidInput(f"the parameter {name!r} is in the name twice; give it once")
        try:
            values[name] = variable[name].check(inputs[port_of(name)].read(value))
        except InvalidInput as error:
            raise InvalidInput(f"parameter {name!r} is {error}") from None
    return values
