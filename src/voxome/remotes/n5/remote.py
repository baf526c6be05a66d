"""``n5://PATH``: an array or a pyramid, in any place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidInput, NotFound, StoreError
from voxome.remotes.n5.create import make, make_group
from voxome.remotes.n5.groups import ATTRIBUTES, around_level, attributes_of, find_group
from voxome.remotes.n5.metadata_flavours import Json, level_number
from voxome.remotes.n5.source import N5Pyramid, N5Source
from voxome.storage.find import storage_path
from voxome.storage.local import LocalPath, local_path
from voxome.storage.path import StoragePath
from voxome.storage.walk import walk


class N5Remote:
    """Arrays and pyramids of N5 containers."""

    marks = (ATTRIBUTES, f"s0/{ATTRIBUTES}")
    """Files by which a place is seen to hold N5."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> N5Source:
        place = storage_path(uri, writing=mode == "r+")
        if "dimensions" in attributes_of(place):
            return N5Source(place, mode=mode, name=str(uri), around=around_level(place))
        group = find_group(place)
        if group is not None:
            return N5Pyramid(group, mode=mode, name=str(uri))
        raise NotFound(f"{uri} is no N5 array nor a pyramid; {_hint(place)}")

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        for place, array in walk(storage_path(uri), _look):
            yield _info(place, array)

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
        place = storage_path(uri, writing=True)
        if wrong := sorted(set(spec.encoding or {}) - {"codec", "pyramid"}):
            raise InvalidInput(f"{uri}: N5 has no encoding {', '.join(wrong)}; it has codec, pyramid")
        if not _is_bare_root(place):
            place.must_be_free(str(uri))
        single = len(spec.spatial) != 3 or level_number(place.name) is not None
        if single or not (spec.encoding or {}).get("pyramid", True):
            make(place, spec, name=str(uri))
        else:
            make_group(place, spec, name=str(uri))
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        place = storage_path(uri, writing=True)
        if "dimensions" not in attributes_of(place) and find_group(place) is None:
            raise NotFound(f"{uri} is no N5 array nor a pyramid: nothing was removed")
        place.delete()


def _is_bare_root(place: StoragePath) -> bool:
    return set(attributes_of(place)) == {"n5"} and place.names() == [ATTRIBUTES]


def _is_n5(folder: Path, *, here: bool) -> bool:
    if not (folder / ATTRIBUTES).is_file():
        return False
    found = attributes_of(LocalPath(str(folder)))
    return "n5" in found or (here and {"dimensions", "dataType"} <= set(found))


def _hint(place: StoragePath) -> str:
    if not place.is_local or not Path(place.path).is_dir():
        return "nothing is there"
    inside = [found.uri("n5") for found, _ in islice(walk(place, _look, 2), 5)]
    return f"name one of what it holds: {', '.join(inside)}" if inside else "that folder holds none"


def _look(place: StoragePath, folders: Sequence[str], files: Sequence[str]) -> tuple[Json | None, Sequence[str]]:
    attributes = attributes_of(place) if ATTRIBUTES in files else {}
    if "dimensions" in attributes:
        return attributes, ()
    group = find_group(place) if ATTRIBUTES in files or "s0" in folders else None
    return (None, folders) if group is None else (group.around.finest, ())


def _info(place: StoragePath, array: Json) -> ResourceInfo:
    shape = "x".join(str(n) for n in reversed(array["dimensions"]))
    return ResourceInfo(place.uri("n5"), "volume", f"{array.get('dataType')} {shape}")
