"""The folders around an N5 array: its group, the levels in it, the root of its container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from voxome.contracts.levels import MOST_LEVELS, Lengths, Level, finest_first, require_plausible_count, scale_between
from voxome.errors import AccessDenied, CorruptData, StoreError
from voxome.remotes.n5.metadata_flavours import (
    GroupContext,
    Json,
    Transform,
    level_names,
    level_number,
    transform_of,
)
from voxome.storage.json_store import read_json
from voxome.storage.path import StoragePath

ATTRIBUTES = "attributes.json"


@dataclass(frozen=True)
class Group:
    """A folder whose arrays are the levels of a pyramid.

    Attributes
    ----------
    folder : StoragePath
        Where it is.
    context : GroupContext
        Its attributes, those above it, and those of its array ``s0``.
    transforms : mapping
        Path of each of its arrays → voxel size and offset, finest first; None where the metadata do not specify them.
    """

    folder: StoragePath
    context: GroupContext
    transforms: Mapping[str, Transform | None]

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of its arrays, finest first."""
        return tuple(self.transforms)

    @property
    def levels(self) -> list[Level]:
        """Voxel size, position and scale of each array, finest first."""
        transforms = list(self.transforms.values())
        sizes = _sizes(transforms)
        return [
            Level(None if one is None else one.voxel_size_nm, _offset(one), scale_between(size, sizes[0]))
            for one, size in zip(transforms, sizes, strict=True)
        ]


def attributes_of(folder: StoragePath) -> Json:
    """Return the attributes in `folder`; empty if it has none."""
    return read_json(folder, ATTRIBUTES) or {}


def find_group(folder: StoragePath) -> Group | None:
    """Return the pyramid in `folder`, by what its attributes list or by arrays called s0, s1 …; None if it is none.

    Raises
    ------
    CorruptData
        If its attributes list arrays of which none exists.
    """
    group = attributes_of(folder)
    if "painteraData" in group and (data := find_group(folder / "data")):
        return data
    scales = group.get("scales")
    listed = [f"s{n}" for n in range(len(scales))] if isinstance(scales, list) else []
    names = level_names(group) or listed or _probe(folder)
    if not names:
        return None
    try:
        require_plausible_count(len(names))
    except ValueError as error:
        raise CorruptData(f"{folder}: {error}; restore its {ATTRIBUTES}, or open one level, as {names[0]}") from error
    arrays = {name: _array_attributes(folder / name) for name in names}
    if not any(arrays.values()):
        raise CorruptData(f"{folder}/{ATTRIBUTES} lists the levels {', '.join(names)}, but none of these arrays exists")
    context = GroupContext(group, _above(folder), arrays.get("s0", arrays[names[0]]))
    ndim = next(len(array["dimensions"]) for array in arrays.values() if array)
    transforms = [_transform(array, name, context, ndim) for name, array in arrays.items()]
    return Group(folder, context, {names[i]: transforms[i] for i in finest_first(_sizes(transforms))})


def context_of_level(folder: StoragePath) -> GroupContext:
    """Return the attributes above the array in `folder`, if its name is that of a level; else nothing."""
    group = _above(folder)
    if folder.parent is None or (level_number(folder.name) is None and folder.name not in level_names(group)):
        return GroupContext()
    return GroupContext(group, _above(folder.parent), attributes_of(folder.parent / "s0"))


def container(folder: StoragePath) -> StoragePath:
    """Return the root of the container of `folder`.

    That is the folder whose attributes name an N5 version, else one called ``….n5``, else `folder` itself.
    """
    folders = [folder, *folder.parents]
    for one in folders:
        if "n5" in attributes_of(one):
            return one
    return next((one for one in folders if one.name.endswith(".n5")), folder)


def _array_attributes(folder: StoragePath) -> Json:
    """Return the attributes of an array; empty where it is missing or they cannot be read."""
    try:
        found = attributes_of(folder)
    except (CorruptData, AccessDenied):
        return {}
    return found if isinstance(found.get("dimensions"), list) else {}


def _transform(array: Json, name: str, context: GroupContext, ndim: int) -> Transform | None:
    """Voxel size and offset of the array `name`; of a missing array, as far as its group specifies them."""
    try:
        if array:
            return transform_of(array, name, context)
        return transform_of({"dimensions": [0] * ndim}, name, replace(context, s0={}))
    except (CorruptData, LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None


def _sizes(transforms: list[Transform | None]) -> list[Lengths | None]:
    """Voxel sizes in nm where the metadata specify them, else in voxels of the finest level."""
    if any(one is not None and one.voxel_size_nm is not None for one in transforms):
        return [None if one is None else one.voxel_size_nm for one in transforms]
    return [None if one is None else one.factor for one in transforms]


def _offset(transform: Transform | None) -> Lengths:
    return (0.0, 0.0, 0.0) if transform is None else transform.offset_nm


def _probe(folder: StoragePath) -> list[str]:
    names: list[str] = []
    while len(names) <= MOST_LEVELS and "dimensions" in attributes_of(folder / f"s{len(names)}"):
        names.append(f"s{len(names)}")
    return names


def _above(folder: StoragePath) -> Json:
    """Return the attributes of the folder above; empty where they may not be read."""
    try:
        return attributes_of(folder.parent) if folder.parent else {}
    except (AccessDenied, StoreError, CorruptData):
        return {}
