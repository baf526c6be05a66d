"""``n5://PATH``: an array or a pyramid, in any storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from voxome.contracts.levels import require_level
from voxome.contracts.listing import entry_of, unreadable_entry
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, CorruptData, NotFound
from voxome.remotes.n5.create import check_spec, create_array, create_group
from voxome.remotes.n5.groups import ATTRIBUTES, Group, attributes_of, context_of_level, find_group
from voxome.remotes.n5.metadata_flavours import Json, check_array, level_number
from voxome.remotes.n5.own_files import own_files
from voxome.remotes.n5.source import N5Pyramid, N5Source, open_level
from voxome.storage.find import storage_path
from voxome.storage.json_store import begins_as_object
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath
from voxome.storage.walk import Levels, walk


class N5Remote:
    """Arrays and pyramids of N5 containers."""

    traits = FormatTraits(suffix=".n5", creates_levels=True)
    marker_files = (ATTRIBUTES, f"s0/{ATTRIBUTES}")
    """Files of which every folder with an N5 volume has one."""
    signature = "an N5 folder (attributes.json)"

    def open(self, uri: Uri, *, mode: Mode = "r") -> N5Source:
        folder = storage_path(uri, writing=mode == "r+")
        if "dimensions" in attributes_of(folder):
            return N5Source(folder, mode=mode, name=str(uri), context=context_of_level(folder))
        return N5Pyramid(_require_group(folder, uri), mode=mode, name=str(uri))

    def open_level(self, uri: Uri, number: int, *, mode: Mode = "r") -> N5Source:
        folder = storage_path(uri, writing=mode == "r+")
        if "dimensions" in attributes_of(folder):
            require_level(str(uri), number, 1)
            return self.open(uri, mode=mode)
        return open_level(_require_group(folder, uri), number, mode=mode, name=str(uri))

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        for folder, array in walk(storage_path(uri), partial(_look, Levels())):
            if isinstance(array, Exception):
                yield unreadable_entry(folder.uri("n5"), array)
            else:
                yield entry_of(folder.uri("n5"), partial(_info, array))

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is an N5 array, or a group of an N5 container."""
        return path.is_dir() and _is_n5(LocalPath(str(path)))

    def recognises_folder(self, folder: Uri) -> bool:
        return _is_n5(storage_path(folder))

    def create(self, uri: Uri, spec: VolumeSpec) -> N5Source:
        """Create an array and open it for writing.

        With axes z, y, x it becomes ``s0`` of a group, to which levels can be added, unless it has the name of a level
        or ``spec.encoding["pyramid"]`` is false. ``spec.encoding["codec"]`` is the name of a compression, or a mapping
        of ``name`` and its options as N5 spells them; gzip if None.
        """
        folder = storage_path(uri, writing=True)
        check_spec(spec, str(uri))
        if not _is_bare_root(folder):
            folder.must_be_free(str(uri))
        single = len(spec.spatial) != 3 or level_number(folder.name) is not None
        if single or not (spec.encoding or {}).get("pyramid", True):
            create_array(folder, spec, name=str(uri))
        else:
            create_group(folder, spec, name=str(uri))
        return self.open(uri, mode="r+")

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        check_spec(spec, str(uri))

    def own_files(self, uri: Uri) -> str:
        return own_files(storage_path(uri))

    def delete(self, uri: Uri) -> None:
        folder = storage_path(uri, writing=True)
        if "dimensions" not in attributes_of(folder) and find_group(folder) is None:
            raise NotFound(f"{uri} is neither an N5 array nor a pyramid: nothing was removed")
        folder.delete()


def _require_group(folder: StoragePath, uri: Uri) -> Group:
    group = find_group(folder)
    if group is None:
        raise NotFound(f"{uri} is neither an N5 array nor a pyramid; {_hint(folder)}")
    return group


def _is_bare_root(folder: StoragePath) -> bool:
    return set(attributes_of(folder)) == {"n5"} and folder.names() == [ATTRIBUTES]


def _is_n5(folder: StoragePath) -> bool:
    """Return whether a folder is an array, a pyramid, or in a container, whose root names a version of N5."""
    try:
        here = attributes_of(folder)
    except CorruptData:
        return begins_as_object(folder, ATTRIBUTES)  # so that opening it says what is wrong
    except AccessDenied:
        return False
    if "n5" in here or {"dimensions", "dataType"} <= set(here):
        return True
    try:
        return any("n5" in attributes_of(above) for above in folder.parents) or find_group(folder) is not None
    except (CorruptData, AccessDenied, LookupError, TypeError, ValueError, AttributeError):
        return False


def _hint(folder: StoragePath) -> str:
    if not folder.is_local or not Path(folder.path).is_dir():
        return "nothing exists at that path"
    found = (
        one.uri("n5") for one, array in walk(folder, partial(_look, Levels()), 2) if not isinstance(array, Exception)
    )
    inside = list(islice(found, 5))
    return f"open a volume inside it: {', '.join(inside)}" if inside else "that folder contains none"


def _look(
    levels: Levels, folder: StoragePath, folders: Sequence[str], files: Sequence[str]
) -> tuple[Json | None, Sequence[str]]:
    attributes = attributes_of(folder) if ATTRIBUTES in files else {}
    if "dimensions" in attributes:
        return attributes, ()
    group = find_group(folder) if ATTRIBUTES in files or "s0" in folders else None
    if group is None:
        return None, levels.others(folder, folders)
    if group.folder.path != folder.path:  # Paintera's: the other folders are indices of its data
        return attributes_of(group.folder / group.names[0]), ()
    levels.add(folder, group.names)
    return attributes_of(folder / group.names[0]), levels.others(folder, folders)


def _info(array: Json, uri: str) -> ResourceInfo:
    check_array(array)
    return ResourceInfo.of_volume(uri, array["dataType"], tuple(reversed(array["dimensions"])))
