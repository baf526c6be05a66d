"""Inputs from outside a workflow: where they are, and whether a step can take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from voxome.contracts.handle import STORE, Handle, HandleType
from voxome.contracts.kinds import Image, RegionTable, Table
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Input
from voxome.errors import InvalidInput, NotFound
from voxome.resources.open import absolute, locate, open_source
from voxome.resources.table import TableFile
from voxome.storage.local import local_path


def bind_external(value: Any, wanted: Input, level: int = 0) -> tuple[Handle, VolumeSpec | None]:
    """A handle of an input from outside, with its version as the key, and the spec of a volume.

    Parameters
    ----------
    value : str, path or CWL File
        A handle file, a path or a URI.
    wanted : Input
        What it is for.
    level : int
        Of the pyramid of a volume that names none.

    Raises
    ------
    NotFound, CorruptData, UnsupportedFormat, UnknownName, InvalidInput
    """
    text = value.get("path") or value.get("location", "") if isinstance(value, Mapping) else str(value)
    expected = _type_of(wanted)
    handle = Handle.from_text(text.removeprefix("file://"), type=expected)
    if handle.type != expected:
        raise InvalidInput(f"{wanted.name} is a {expected}, but {text} tells of a {handle.type}")
    if expected != "volume":
        return _file(handle, wanted), None
    uri = handle.uri if not level or "?" in handle.uri else f"{handle.uri}?level={level}"
    located = str(absolute(locate(uri)))
    source = open_source(located)
    version = source.version()
    key = handle.key or (version.token if version.pinned else located)
    return replace(handle, uri=located, key=key), source.spec


def _type_of(wanted: Input) -> HandleType:
    """What a handle of that input is called."""
    if isinstance(wanted.kind, Image):
        return "volume"
    return "table" if isinstance(wanted.kind, Table) else "regions" if isinstance(wanted.kind, RegionTable) else "file"


def _file(handle: Handle, wanted: Input) -> Handle:
    """The handle of a table or file with its path whole; a table must have the columns that are wanted."""
    path = local_path(handle.uri)
    if not path.exists():
        raise NotFound(f"there is no {path}, which was given as {wanted.name}")
    if isinstance(wanted.kind, Table):
        missing = wanted.kind.columns.keys() - set(TableFile(path).columns)
        if missing:
            raise InvalidInput(f"{path}, which was given as {wanted.name}, lacks columns: {', '.join(sorted(missing))}")
    return replace(handle, uri=str(path), key=handle.key or str(path))


def mismatches(step: str, wanted: Input, handle: Handle, spec: VolumeSpec) -> Iterator[str]:
    """What keeps the step called `step` from taking a volume: its dtype, its axes."""
    assert isinstance(wanted.kind, Image)
    source = "" if STORE in handle.uri else f" ({handle.uri})"
    if wanted.kind.dtype and spec.dtype != wanted.kind.dtype:
        yield f"step {step} takes {wanted.name} as {wanted.kind.dtype}, but it is {spec.dtype}{source}"
    axes = "zyx" if wanted.kind.channels is None else "czyx"
    if sorted(spec.axes) != sorted(axes):
        yield (
            f"step {step} takes {wanted.name} with axes {'/'.join(axes)}, but it has {'/'.join(spec.axes)} and shape "
            f"{spec.domain.shape}{source}"
        )
