"""What lies around an N5 array: its group, the levels in it, the root of its container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voxome.errors import CorruptData, StoreError
from voxome.remotes.documents import read_json
from voxome.remotes.n5.dialects import Around, Json, level_names, level_number

ATTRIBUTES = "attributes.json"


@dataclass(frozen=True)
class Group:
    """A folder whose arrays are the levels of a pyramid.

    Attributes
    ----------
    path : str
        Folder or http address.
    around : Around
        Its attributes, those above it, and those of its finest array.
    names : tuple of str
        Paths of its arrays, finest first.
    """

    path: str
    around: Around
    names: tuple[str, ...]


def attributes_of(path: str) -> Json:
    """The attributes at `path`; empty where there are none."""
    return read_json(path, ATTRIBUTES) or {}


def find_group(path: str) -> Group | None:
    """The pyramid at `path`, by what its attributes list or by arrays called s0, s1 …; None if it is none.

    Raises
    ------
    CorruptData
        If its attributes list an array that is not there.
    """
    group = attributes_of(path)
    if "painteraData" in group and (data := find_group(f"{path}/data")):
        return data
    names = level_names(group) or [f"s{n}" for n in range(len(group.get("scales", [])))] or _probed(path)
    if not names:
        return None
    finest = attributes_of(f"{path}/{names[0]}")
    if "dimensions" not in finest:
        raise CorruptData(f"{path}/{ATTRIBUTES} names the level {names[0]!r}, which is not there")
    return Group(path, Around(group, _above(path), finest), tuple(names))


def around_level(path: str) -> Around:
    """What lies above the array at `path`, if its name says that it is a level; else nothing."""
    if level_number(path.rsplit("/", 1)[-1]) is None:
        return Around()
    parent = _parent(path)
    return Around(_above(path), _above(parent), attributes_of(f"{parent}/s0"))


def container(path: str) -> str:
    """The root of the container that holds `path`: what says so, else what is called ``.n5``, else `path` itself."""
    parts = [Path(path), *Path(path).parents]
    for part in parts:
        if (part / ATTRIBUTES).is_file() and "n5" in attributes_of(str(part)):
            return str(part)
    return str(next((part for part in parts if part.suffix == ".n5"), path))


def _probed(path: str) -> list[str]:
    names: list[str] = []
    while "dimensions" in attributes_of(f"{path}/s{len(names)}"):
        names.append(f"s{len(names)}")
    return names


def _above(path: str) -> Json:
    """The attributes of the folder above; empty where it is not ours to look at."""
    try:
        return attributes_of(_parent(path))
    except (StoreError, CorruptData):
        return {}


def _parent(path: str) -> str:
    head, _, _ = path.rpartition("/")
    return path if head in ("", "http:/", "https:/") else head
