"""What lies around an N5 array: its group, the levels in it, the root of its container."""

from __future__ import annotations

from dataclasses import dataclass

from voxome.errors import AccessDenied, CorruptData, StoreError
from voxome.remotes.json_store import read_json
from voxome.remotes.n5.metadata_flavours import Around, Json, level_names, level_number
from voxome.storage.path import StoragePath

ATTRIBUTES = "attributes.json"


@dataclass(frozen=True)
class Group:
    """A folder whose arrays are the levels of a pyramid.

    Attributes
    ----------
    place : Place
        Its folder.
    around : Around
        Its attributes, those above it, and those of its finest array.
    names : tuple of str
        Paths of its arrays, finest first.
    """

    place: StoragePath
    around: Around
    names: tuple[str, ...]


def attributes_of(place: StoragePath) -> Json:
    """The attributes at `place`; empty where there are none."""
    return read_json(place, ATTRIBUTES) or {}


def find_group(place: StoragePath) -> Group | None:
    """The pyramid at `place`, by what its attributes list or by arrays called s0, s1 …; None if it is none.

    Raises
    ------
    CorruptData
        If its attributes list an array that is not there.
    """
    group = attributes_of(place)
    if "painteraData" in group and (data := find_group(place / "data")):
        return data
    names = level_names(group) or [f"s{n}" for n in range(len(group.get("scales", [])))] or _probed(place)
    if not names:
        return None
    finest = attributes_of(place / names[0])
    if "dimensions" not in finest:
        raise CorruptData(f"{place}/{ATTRIBUTES} names the level {names[0]!r}, which is not there")
    return Group(place, Around(group, _above(place), finest), tuple(names))


def around_level(place: StoragePath) -> Around:
    """What lies above the array at `place`, if its name says that it is a level; else nothing."""
    if level_number(place.name) is None or place.parent is None:
        return Around()
    return Around(_above(place), _above(place.parent), attributes_of(place.parent / "s0"))


def container(place: StoragePath) -> StoragePath:
    """The root of the container that holds `place`: what says so, else what is called ``.n5``, else `place` itself."""
    around = [place, *place.parents]
    for one in around:
        if "n5" in attributes_of(one):
            return one
    return next((one for one in around if one.name.endswith(".n5")), place)


def _probed(place: StoragePath) -> list[str]:
    names: list[str] = []
    while "dimensions" in attributes_of(place / f"s{len(names)}"):
        names.append(f"s{len(names)}")
    return names


def _above(place: StoragePath) -> Json:
    """The attributes of the folder above; empty where it is not ours to look at."""
    try:
        return attributes_of(place.parent) if place.parent else {}
    except (AccessDenied, StoreError, CorruptData):
        return {}
