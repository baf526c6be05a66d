"""JSON text, written and parsed; what JSON cannot store is refused, and never replaced by its printed form."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from voxome.errors import InvalidInput


def json_text(data: object, where: str, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Return `data` as JSON text; NaN and the infinities are the texts "NaN", "Infinity" and "-Infinity".

    Parameters
    ----------
    data : JSON values
        Mappings with names as keys, lists, tuples, numbers, text, true, false and None.
    where : str
        What the data are, for the message.
    indent : int, optional
        Spaces of each level; one line if None.
    sort_keys : bool
        Whether mappings are written in the order of their keys.

    Raises
    ------
    InvalidInput
        If JSON cannot store a value; the message says which.

    Examples
    --------
    >>> json_text({"at": (1, 2.5, None)}, "the step")
    '{"at": [1, 2.5, null]}'
    >>> json_text({"no_data": float("nan")}, "the step")
    '{"no_data": "NaN"}'
    """
    try:
        return json.dumps(_finite(data), indent=indent, sort_keys=sort_keys, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} cannot be written as JSON: {error}") from error
    except TypeError as error:
        path, kind = next(_foreign(data, ""), ("", str(error)))
        raise InvalidInput(
            f"{where}: {path.lstrip('.') or 'the value'} is of type {kind}, which JSON cannot store; use numbers, "
            "text, true or false, lists and mappings"
        ) from error


def parse_object(text: bytes | str) -> dict[str, Any] | None:
    """Return the JSON object in a text; None if the text is damaged, or is something else.

    Examples
    --------
    >>> parse_object('{"owner": "a"}'), parse_object('{"owner'), parse_object("[1]")
    ({'owner': 'a'}, None, None)
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _finite(value: object) -> object:
    """Return a value with text in place of the numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _foreign(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield path and type of each value, or key, that JSON does not have."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key is None or isinstance(key, str | int | float):
                yield from _foreign(item, f"{path}.{key}")
            else:
                yield f"{path} key {key!r}", type(key).__name__
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _foreign(item, f"{path}.{number}")
    elif value is not None and not isinstance(value, bool | int | float | str):
        yield path, type(value).__name__
