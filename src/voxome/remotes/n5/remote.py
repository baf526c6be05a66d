"""``n5://PATH``: an array or a pyramid, in a local folder or at an http(s) address."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from voxome.contracts.uri import Uri
from voxome.contracts.volume import Mode, ResourceInfo, VolumeSpec
from voxome.errors import (
    AlreadyThere,
    CorruptData,
    InvalidInput,
    NotFound,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
)
from voxome.remotes.documents import folder_of
from voxome.remotes.local import local_path
from voxome.remotes.n5.dialects import Json, level_number
from voxome.remotes.n5.groups import ATTRIBUTES, around_level, attributes_of, find_group
from voxome.remotes.n5.source import N5Pyramid, N5Source
from voxome.remotes.n5.writing import FINEST, make_array, register_level
from voxome.remotes.tensorstore import is_remote

_DEEPEST = 32


class N5Remote:
    """Arrays and pyramids of N5 containers."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> N5Source:
        path = _writable(uri) if mode == "r+" else folder_of(uri.path)
        if "dimensions" in attributes_of(path):
            return N5Source(path, mode=mode, name=str(uri), around=around_level(path))
        group = find_group(path)
        if group is not None:
            return N5Pyramid(group, mode=mode, name=str(uri))
        raise NotFound(f"{uri} is no N5 array nor a pyramid; {_hint(path)}")

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        path = folder_of(uri.path)
        if is_remote(path):
            raise UnsupportedFormat(f"{uri}: what lies under an http address cannot be listed; name an array")
        if not Path(path).is_dir():
            raise NotFound(f"{uri}: there is no folder {path}")
        yield from _walk(path, _DEEPEST)

    def recognises(self, path: str) -> bool:
        """Whether an N5 array, or a group of an N5 container, lies at `path`."""
        folder = local_path(path)
        if not folder.is_dir():
            return False
        try:
            return any(_is_n5(one, here=one == folder) for one in (folder, *folder.parents))
        except (CorruptData, StoreError):
            return False

    def create(self, uri: Uri, spec: VolumeSpec) -> N5Source:
        """Make an array and open it for writing.

        With axes z, y, x it becomes ``s0`` of a group, which levels can be added to, unless its own name is that of a
        level or ``spec.encoding["pyramid"]`` is false. ``spec.encoding["codec"]`` is the name of a compression, or a
        mapping of ``name`` and its options in N5's words; gzip if None.
        """
        path = _writable(uri)
        if wrong := sorted(set(spec.encoding or {}) - {"codec", "pyramid"}):
            raise InvalidInput(f"{uri}: N5 has no encoding {', '.join(wrong)}; it has codec, pyramid")
        _refuse_full(path, uri)
        single = len(spec.spatial) != 3 or level_number(Path(path).name) is not None
        if single or not (spec.encoding or {}).get("pyramid", True):
            make_array(path, spec, FINEST, name=str(uri), free=spec.attributes)
        else:
            make_array(f"{path}/s0", spec, FINEST, name=str(uri), group=path)
            register_level(path, "s0", spec, FINEST, free=spec.attributes)
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        path = _writable(uri)
        if "dimensions" not in attributes_of(path) and find_group(path) is None:
            raise NotFound(f"{uri} is no N5 array nor a pyramid: nothing was removed")
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise StoreError(f"{uri} cannot be removed: {error}") from error


def _writable(uri: Uri) -> str:
    path = folder_of(uri.path)
    if is_remote(path):
        raise ReadOnly(f"{uri}: an http address is read, not written")
    return path


def _refuse_full(path: str, uri: Uri) -> None:
    folder = Path(path)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not _is_bare_root(path)):
        raise AlreadyThere(f"something is at {uri} already; choose another path, or delete it")


def _is_bare_root(path: str) -> bool:
    return [one.name for one in Path(path).iterdir()] == [ATTRIBUTES] and set(attributes_of(path)) == {"n5"}


def _is_n5(folder: Path, *, here: bool) -> bool:
    if not (folder / ATTRIBUTES).is_file():
        return False
    found = attributes_of(str(folder))
    return "n5" in found or (here and {"dimensions", "dataType"} <= set(found))


def _hint(path: str) -> str:
    if is_remote(path) or not Path(path).is_dir():
        return "nothing is there"
    inside = [info.uri for info in islice(_walk(path, 2), 5)]
    return f"name one of what it holds: {', '.join(inside)}" if inside else "that folder holds none"


def _walk(path: str, depth: int) -> Iterator[ResourceInfo]:
    attributes = attributes_of(path)
    group = None if "dimensions" in attributes else find_group(path)
    if "dimensions" in attributes or group is not None:
        yield _info(path, attributes if group is None else group.around.finest)
        return
    for folder in _folders(path) if depth else []:
        yield from _walk(folder, depth - 1)


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise StoreError(f"{path} cannot be listed: {error}") from error


def _info(path: str, array: Json) -> ResourceInfo:
    shape = "x".join(str(n) for n in reversed(array["dimensions"]))
    return ResourceInfo(f"n5://{path}", "volume", f"{array.get('dataType')} {shape}")
