"""JSON documents that describe arrays: read, and changed atomically."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from voxome.errors import CorruptData, InvalidInput, StoreError
from voxome.storage.path import StoragePath

Json = dict[str, Any]
_TRIES = 100


def read_json(place: StoragePath, key: str) -> Json | None:
    """The JSON object in the file `key` of `place`; None if there is no such file.

    Raises
    ------
    CorruptData
        If it is no JSON object.
    AccessDenied, StoreError
        If the store does not give it.
    """
    text = place.read(key)
    return None if text is None else _parse(text, f"{place}/{key}")


def update_json(place: StoragePath, key: str, change: Callable[[Json], Mapping[str, Any]]) -> Json:
    """Replace the JSON object in `key` by ``change(object)``; an absent one is empty.

    A reader sees all or nothing. Of writers at once each sees what the others wrote: always in a folder, on Google's
    and Amazon's stores; where another server speaks S3 its state is asked for just before it is changed.

    Raises
    ------
    AccessDenied, StoreError
        If it cannot be written, or others keep changing it.
    """
    name = f"{place}/{key}"
    changed: list[Json] = []

    def text(old: bytes | None) -> bytes:
        changed[:] = [dict(change({} if old is None else _parse(old, name)))]
        return to_json(changed[0], name)

    for _ in range(_TRIES):
        if place.change(key, text):
            return changed[0]
    raise StoreError(f"{name}: other writers changed it {_TRIES} times at once; try again")


def to_json(document: Mapping[str, Any], name: str) -> bytes:
    """The text of a JSON object that is to be stored as `name`.

    Raises
    ------
    InvalidInput
        If something in it is no JSON value.
    """
    try:
        return json.dumps(document, indent=2, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name}: attributes must be JSON values: {error}") from error


def _parse(text: bytes, name: str) -> Json:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise CorruptData(f"{name} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CorruptData(f"{name} should be a JSON object, not {type(parsed).__name__}")
    return parsed
