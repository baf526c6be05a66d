"""Options of the formats of shapes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, UnknownName


def read_options(options: Mapping[str, Any], known: Mapping[str, Sequence[Any]], owner: str) -> dict[str, Any]:
    """Return the value of every option that a format has.

    Parameters
    ----------
    options : mapping
        Options that are given; a value may be text, as in a URI.
    known : mapping of str to sequence
        Options of the format, each with its values; the first is the default.
    owner : str
        What has these options, for messages.

    Raises
    ------
    UnknownName
        If an option does not exist.
    InvalidInput
        If a value is not one of those.
    """
    for name in options:
        if name not in known:
            raise UnknownName.of("option", name, known, owner)
    return {name: _read(name, options.get(name, values[0]), values, owner) for name, values in known.items()}


def take_options(uri: Uri, names: Collection[str]) -> tuple[Uri, dict[str, str]]:
    """Return a URI without some options, and those of them that it has."""
    others = {name: value for name, value in uri.query.items() if name not in names}
    return replace(uri, query=others), {name: uri.query[name] for name in names if name in uri.query}


def _read(name: str, value: Any, values: Sequence[Any], owner: str) -> Any:
    for one in values:
        if str(one).lower() == str(value).lower():
            return one
    raise InvalidInput(f"{owner}: {name} is {value!r}; expected {' or '.join(str(one).lower() for one in values)}")
