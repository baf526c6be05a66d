"""Files and folders as CWL writes them: ``{class: File, location: …}``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_CLASSES = frozenset({"File", "Directory"})


def is_file(value: object) -> bool:
    """Return whether a value is a CWL File or Directory."""
    return isinstance(value, Mapping) and isinstance(name := value.get("class"), str) and name in _CLASSES


def file_address(value: Mapping[str, Any], folder: Path = Path()) -> str:
    """Return the path or address of a CWL File or Directory; empty if it has neither ``location`` nor ``path``.

    Parameters
    ----------
    value : mapping
        Its ``location`` is a URI reference, in which ``%20`` is a space; its ``path`` is taken as it is.
    folder : path
        What a relative location or path is relative to.

    Examples
    --------
    >>> file_address({"class": "File", "location": "em%20raw.h5"}, Path("/data"))
    '/data/em raw.h5'
    """
    location, path = value.get("location"), value.get("path")
    if location:
        return _local(str(location), folder) if _is_local(str(location)) else str(location)
    if not path:
        return ""
    return str(path) if "://" in str(path) else str(folder / str(path))


def _is_local(location: str) -> bool:
    return location.startswith("file:") or "://" not in location


def _local(location: str, folder: Path) -> str:
    """Return the path of a location on this machine, with the options that may follow it."""
    rest = location.removeprefix("file:")
    if rest.startswith("//"):
        rest = f"/{rest[2:].partition('/')[2]}"
    path, mark, options = rest.partition("?")
    return f"{folder / unquote(path)}{mark}{options}"
