"""The JSON files of zarr: found, read, and replaced in one step."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxome.errors import CorruptData, StoreError
from voxome.remotes.tensorstore import is_remote, local_path, read_key

_FILES = {3: {"array": "zarr.json", "group": "zarr.json"}, 2: {"array": ".zarray", "group": ".zgroup"}}
_CONSOLIDATED = ".zmetadata"


@dataclass(frozen=True)
class Node:
    """A zarr array or group, as its metadata files tell it.

    Attributes
    ----------
    path : str
        Its folder, or http address.
    format : int
        2 or 3.
    type : {"array", "group"}
        Which of the two.
    document : mapping
        What its metadata file holds.
    attributes : mapping
        What others wrote about it.
    """

    path: str
    format: int
    type: str
    document: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name of its metadata file."""
        return _FILES[self.format][self.type]

    @property
    def attributes_file(self) -> str:
        """The name of the file that holds its attributes."""
        return ".zattrs" if self.format == 2 else "zarr.json"

    def save_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Replace all its attributes, in one step."""
        whole = {**self.document, "attributes": dict(attributes)}
        replace_json(local_path(self.path) / self.attributes_file, attributes if self.format == 2 else whole)


def find(path: str) -> Node | None:
    """The zarr node at `path`, or None if there is none.

    Raises
    ------
    CorruptData
        If a metadata file is not a JSON object.
    StoreError
        If the store does not answer.
    """
    path = path.rstrip("/") or "/"
    document = _load(path, "zarr.json")
    if document is not None:
        kind = document.get("node_type")
        if kind not in ("array", "group"):
            raise CorruptData(f"{path}/zarr.json: node_type is {kind!r}, not 'array' or 'group'")
        return Node(path, 3, kind, document, document.get("attributes") or {})
    for kind, name in _FILES[2].items():
        document = _load(path, name)
        if document is not None:
            return Node(path, 2, kind, document, _load(path, ".zattrs") or {})
    return None


def _load(path: str, name: str) -> dict[str, Any] | None:
    text = read_key(path, name)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CorruptData(f"{path}/{name} is not JSON ({error}); restore it from a copy") from error
    if not isinstance(document, dict):
        raise CorruptData(f"{path}/{name} holds a {type(document).__name__}, not a JSON object")
    return document


def replace_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document` to `path` so that every reader sees the old or the new file, never a part."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as file:
            json.dump(document, file, indent=2, allow_nan=False)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other writers of its metadata, in this process and others on this machine."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def arrays_under(path: str) -> Iterator[str]:
    """Paths, relative to `path`, of the arrays in a group: its folders, or over http its consolidated metadata."""
    if is_remote(path):
        yield from sorted(_consolidated(path))
        return
    root = local_path(path)
    for folder, inside, files in os.walk(root):
        inside.sort()
        here = Path(folder)
        if ".zarray" in files or _is_array(here / "zarr.json"):
            inside.clear()
            yield str(here.relative_to(root))


def _is_array(file: Path) -> bool:
    return file.is_file() and re.search(r'"node_type"\s*:\s*"array"', file.read_text()) is not None


def _consolidated(path: str) -> list[str]:
    old = (_load(path, _CONSOLIDATED) or {}).get("metadata", {})
    if old:
        return [key.removesuffix("/.zarray") for key in old if key.endswith("/.zarray")]
    new = ((_load(path, "zarr.json") or {}).get("consolidated_metadata") or {}).get("metadata", {})
    return [key for key, node in new.items() if node.get("node_type") == "array"]
