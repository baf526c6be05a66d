"""Inputs from outside a workflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from voxome.contracts.arguments import require_path
from voxome.contracts.handle import Handle
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Input
from voxome.contracts.uri import Uri, with_options
from voxome.errors import InvalidInput, NotFound
from voxome.resources.view_options import DTYPES, split_view
from voxome.storage.find import storage_at
from voxome.storage.json_store import read_document
from voxome.workflow.cwl_files import file_address

_SUFFIX = ".handle.json"


def bind_external(
    value: object, expected: Input, level: int = 0, view: Mapping[str, str] | None = None
) -> tuple[Handle, VolumeSpec | None]:
    """Return the handle of an input from outside, with its version as the key, and the spec of a volume.

    Parameters
    ----------
    value : str, path or CWL File
        A handle file, a path or a URI. The data behind a handle may have been replaced since: their version counts too.
    expected : Input
        The input of a tool that takes it.
    level : int
        Level of the pyramid, of a volume whose URI names none.
    view : mapping of str to str, optional
        Further options of a URI, with which a volume is opened.

    Raises
    ------
    NotFound, CorruptData, UnsupportedFormat, UnknownName, InvalidInput
    """
    text = file_address(value) if isinstance(value, Mapping) else cast("str", value)
    text, kind = require_path(expected.name, text).removeprefix("file://"), expected.kind
    given = read_handle(text) if Uri.parse(text).path.endswith(_SUFFIX) else Handle(kind.type, text)
    if given.type != kind.type:
        raise InvalidInput(f"{expected.name} is a {kind.type}, but {text} is the handle of a {given.type}")
    opened = replace(given, uri=with_options(given.uri, **view)) if view else given
    handle = kind.locate(replace(opened, key=""), level=level)
    if given.key:
        handle = replace(handle, key=f"{given.key} {handle.key}")
    return handle, kind.spec(handle)


def read_handle(address: str) -> Handle:
    """Read a handle file.

    Raises
    ------
    NotFound
        If the file does not exist.
    InvalidInput, UnsupportedFormat
        If it is not a handle, or of another version.
    """
    text = read_document(storage_at(address))
    if text is None:
        raise NotFound(f"the handle file {address} does not exist")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{address} is not a voxome handle, such as the NAME.handle.json that voxome tool writes: {error}"
        ) from error
    if not isinstance(data, dict):
        raise InvalidInput(f"{address} is not a voxome handle: expected a JSON object")
    return Handle.from_json(data, address)


def window_notes(name: str, uri: str) -> list[str]:
    """Return how the values of an input are scaled, if they are."""
    plain, view = split_view(Uri.parse(uri))
    if "window" not in view:
        return []
    low, high = view["window"].split(":")
    dtype = view.get("dtype", DTYPES[0])
    return [f"{name} ({plain}): values from {low} to {high} are read as 0 to {np.iinfo(dtype).max} ({dtype})"]
