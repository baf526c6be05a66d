"""CWL types of the parameters of tools."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_SCALARS = {bool: "boolean", int: "int", float: "double", str: "string"}


def cwl_type(annotation: Any) -> str | dict[str, Any]:
    """Return the CWL type of a Python annotation, never optional.

    A ``Literal`` is a string: CWL enums of two documents are never compatible, and the tool checks the value itself.

    Raises
    ------
    TypeError
        If CWL has no such type.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin is Annotated:
        return cwl_type(arguments[0])
    if origin is Literal and all(isinstance(value, str) for value in arguments):
        return "string"
    if origin in (Union, types.UnionType):
        alternatives = [one for one in arguments if one is not type(None)]
        if len(alternatives) == 1:
            return cwl_type(alternatives[0])
    if origin in (tuple, list) and arguments:
        items = {str(cwl_type(one)) for one in arguments if one is not Ellipsis}
        if len(items) == 1:
            return {"type": "array", "items": items.pop()}
    raise TypeError(f"CWL has no type for {annotation}; use int, float, str, bool, Literal, or a tuple of one of them")
