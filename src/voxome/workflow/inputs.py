"""Inputs from outside a workflow: where they are, and whether a step can take them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.handle import STORE, Handle
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Input
from voxome.errors import InvalidInput, NotFound, VoxomeError
from voxome.storage.find import storage_at

_SUFFIX = ".handle.json"


def bind_external(value: Any, wanted: Input, level: int = 0) -> tuple[Handle, VolumeSpec | None]:
    """Return the handle of an input from outside, with its version as the key, and the spec of a volume.

    Parameters
    ----------
    value : str, path or CWL File
        A handle file, a path or a URI.
    wanted : Input
        What it is for.
    level : int
        Level of the pyramid, of a volume whose URI names none.

    Raises
    ------
    NotFound, CorruptData, UnsupportedFormat, UnknownName, InvalidInput
    """
    text = value.get("path") or value.get("location", "") if isinstance(value, Mapping) else str(value)
    text, kind = text.removeprefix("file://"), wanted.kind
    handle = read_handle(text) if text.partition("?")[0].endswith(_SUFFIX) else Handle(kind.type, text)
    if handle.type != kind.type:
        raise InvalidInput(f"{wanted.name} is a {kind.type}, but {text} is the handle of a {handle.type}")
    handle = kind.locate(handle, level=level)
    return handle, kind.spec(handle)


def read_handle(address: str) -> Handle:
    """Read a handle file.

    Raises
    ------
    NotFound
        If there is no such file.
    InvalidInput
        If it is not a handle.
    """
    text = storage_at(address).read_bytes()
    if text is None:
        raise NotFound(f"there is no handle file {address}")
    try:
        return Handle.from_json(json.loads(text))
    except (ValueError, AttributeError) as error:
        raise InvalidInput(f"{address} is not a voxome handle: {error}") from error


def mismatches(step: str, wanted: Input, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
    """Yield what prevents the step called `step` from taking the data of a handle."""
    where = "" if STORE in handle.uri else f" ({handle.uri})"
    if handle.type != wanted.kind.type:
        yield f"step {step} needs a {wanted.kind.type} as {wanted.name}, but it is a {handle.type}{where}"
        return
    try:
        for problem in wanted.kind.problems(handle, spec):
            yield f"step {step}: {wanted.name}{where} {problem}"
    except VoxomeError as error:
        yield str(error)
