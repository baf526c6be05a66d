"""JSON text; what JSON cannot store is refused, and never replaced by its printed form."""

from __future__ import annotations

import json
from collections.abc import Iterator

from voxome.errors import InvalidInput


def json_text(data: object, where: str, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Return `data` as JSON text.

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
    """
    try:
        return json.dumps(data, indent=indent, sort_keys=sort_keys)
    except ValueError as error:
        raise InvalidInput(f"{where} cannot be written as JSON: {error}") from error
    except TypeError as error:
        path, kind = next(_foreign(data, ""), ("", str(error)))
        raise InvalidInput(
            f"{where}: {path.lstrip('.') or 'the value'} is of type {kind}, which JSON cannot store; use numbers, "
            "text, true or false, lists and mappings"
        ) from error


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
