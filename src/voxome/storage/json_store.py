"""JSON documents that describe arrays: reading, and atomic changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from voxome.contracts.json_text import json_text
from voxome.errors import CorruptData, InvalidInput, StoreError
from voxome.storage.bounded_file import require_document_size
from voxome.storage.path import StoragePath

Json = dict[str, Any]
_ATTEMPTS = 100


def read_json(folder: StoragePath, key: str) -> Json | None:
    """Return the JSON object in the file `key` of `folder`; None if it does not exist.

    Raises
    ------
    CorruptData
        If it is not a JSON object.
    AccessDenied, StoreError
        If it cannot be read.
    """
    require_document_size((folder / key).size() or 0, f"{folder}/{key}")
    text = folder.read(key)
    return None if text is None else _parse(text, f"{folder}/{key}")


def read_document(file: StoragePath) -> bytes | None:
    """Return the content of a file of metadata; None if it does not exist.

    Raises
    ------
    CorruptData
        If it has more bytes than are read of such a file.
    AccessDenied, StoreError
        If it cannot be read.
    """
    require_document_size(file.size() or 0, str(file))
    data = file.read_bytes()
    require_document_size(len(data or b""), str(file))
    return data


def begins_as_object(folder: StoragePath, key: str) -> bool:
    """Return whether the file `key` of `folder` begins as a JSON object does, whatever follows."""
    require_document_size((folder / key).size() or 0, f"{folder}/{key}")
    return (folder.read(key) or b"").lstrip().startswith(b"{")


def update_json(folder: StoragePath, key: str, change: Callable[[Json], Mapping[str, Any]]) -> Json:
    """Replace the JSON object in `key` by ``change(object)`` and return the new one; a missing file counts as ``{}``.

    NaN and infinities that others wrote into it, as zarr-python does, stay what they are.

    A reader sees all of the change or nothing. Concurrent writers see each other's changes: always in a local folder,
    on Google's and on Amazon's stores; on other S3 servers the state is compared just before the change.

    Raises
    ------
    AccessDenied, StoreError
        If it cannot be written, or other writers constantly change it.
    """
    name = f"{folder}/{key}"
    changed: list[Json] = []

    def text(old: bytes | None) -> bytes:
        changed[:] = [dict(change({} if old is None else _parse(old, name)))]
        new = to_json(changed[0], name)
        return json.dumps(changed[0], indent=2).encode() if old is not None and _has_bare_nan(old) else new

    for _ in range(_ATTEMPTS):
        if folder.change(key, text):
            return changed[0]
    raise StoreError(f"{name}: other writers changed it {_ATTEMPTS} times at once; try again")


def to_json(document: Mapping[str, Any], name: str) -> bytes:
    """Return the text of a JSON object, to be stored as `name`; NaN and infinities become the texts "NaN" and so on.

    Raises
    ------
    InvalidInput
        If something in it is not a JSON value; the message says what.
    """
    try:
        return json_text(document, name, indent=2).encode()
    except InvalidInput as error:
        raise InvalidInput(f"{error}; attributes can be left out (--drop attributes)") from error


def _has_bare_nan(text: bytes) -> bool:
    """Return whether JSON text has NaN or infinities as numbers, which JSON itself does not have."""
    constants: list[str] = []
    json.loads(text, parse_constant=constants.append)
    return bool(constants)


def _parse(text: bytes, name: str) -> Json:
    require_document_size(len(text), name)
    try:
        parsed = json.loads(text, parse_int=partial(_parse_integer, name))
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{name} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CorruptData(f"{name} should be a JSON object, not {type(parsed).__name__}")
    return parsed


def _parse_integer(name: str, text: str) -> int:
    """Return an integer that a float can hold: a float is made of most numbers of metadata."""
    digits = len(text.lstrip("-"))
    if digits > sys.float_info.max_10_exp:
        raise CorruptData(f"{name} has an integer of {digits:,} digits; expected at most {sys.float_info.max_10_exp}")
    return int(text)
