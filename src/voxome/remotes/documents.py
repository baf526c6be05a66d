"""JSON documents that describe arrays: read, and changed atomically."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import tensorstore as ts

from voxome.errors import CorruptData, StoreError, UnsupportedFormat
from voxome.remotes.local import local_path
from voxome.remotes.tensorstore import context, kvstore_spec, read_key, translated

Json = dict[str, Any]
_TRIES = 100


def folder_of(path: str) -> str:
    """The folder or http(s) address that the path of a URI names; ``file://`` is allowed, other stores are not.

    Raises
    ------
    UnsupportedFormat
        If it is in another kind of store (``gs://``, ``s3://``, …).
    """
    path = path.removeprefix("file://")
    scheme, mark, _ = path.partition("://")
    if mark and scheme not in ("http", "https"):
        raise UnsupportedFormat(f"{path}: {scheme}:// is not read; give its http(s) address, or a local path")
    return path.rstrip("/") if mark else str(local_path(path))


def read_json(path: str, key: str) -> Json | None:
    """The JSON object in the file `key` of the folder at `path`; None if there is no such file.

    Raises
    ------
    CorruptData
        If it is no JSON object.
    StoreError
        If the store cannot be read.
    """
    text = read_key(path, key)
    return None if text is None else _parse(text, f"{path}/{key}")


def update_json(path: str, key: str, change: Callable[[Json], Mapping[str, Any]]) -> Json:
    """Replace the JSON object in `key` by ``change(object)``; an absent one is empty.

    Atomic: a reader sees all or nothing, and of writers at once each sees what the others wrote.

    Raises
    ------
    StoreError
        If it cannot be written, or others keep changing it.
    """
    name = f"{path}/{key}"
    with translated(name, invalid=StoreError):
        store = ts.KvStore.open(kvstore_spec(path), context=context()).result()
        for _ in range(_TRIES):
            found = store.read(key).result()
            changed = dict(change({} if found.state == "missing" else _parse(found.value, name)))
            text = json.dumps(changed).encode()
            if store.write(key, text, if_equal=found.stamp.generation).result().generation:
                return changed
    raise StoreError(f"{name}: other writers changed it {_TRIES} times at once; try again")


def _parse(text: bytes, name: str) -> Json:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise CorruptData(f"{name} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CorruptData(f"{name} should be a JSON object, not {type(parsed).__name__}")
    return parsed
