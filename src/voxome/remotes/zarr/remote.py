"""``zarr://PATH``: an array, or an OME-Zarr group, in any place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from voxome.contracts.levels import require_level
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, NotFound, UnsupportedFormat
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.create import make
from voxome.remotes.zarr.listing import volumes_under
from voxome.remotes.zarr.metadata import FILES, Node, find, must_find
from voxome.remotes.zarr.source import ZarrSource, open_array, open_level, open_pyramid
from voxome.storage.find import storage_path
from voxome.storage.local import local_path
from voxome.storage.path import StoragePath

_SHOWN = 12


class ZarrRemote:
    """Zarr v2 and v3, sharded or not, and OME-Zarr 0.1 to 0.5."""

    marker_files = FILES
    """Files by which a place is seen to hold zarr."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> ZarrSource:
        writable = mode == "r+"
        return self._open(storage_path(uri, writing=writable), str(uri), writable=writable)

    def _open(self, place: StoragePath, name: str, *, writable: bool = False) -> ZarrSource:
        node = find(place)
        if node is None:
            raise NotFound(_nothing(place, name))
        if node.type == "array":
            dataset, labels = _in_pyramid(node)
            return open_array(node, dataset, name=name, writable=writable, labels=labels)
        entry = ome.multiscales(node.attributes)
        if entry is None:
            raise UnsupportedFormat(_no_pyramid(node, name))
        return open_pyramid(node, entry, name=name, writable=writable)

    def open_level(self, uri: Uri, number: int, *, mode: Mode = "r") -> ZarrSource:
        writable = mode == "r+"
        node = find(storage_path(uri, writing=writable))
        entry = None if node is None else ome.multiscales(node.attributes)
        if node is None or entry is None:
            require_level(str(uri), number, 1)
            return self.open(uri, mode=mode)
        return open_level(node, entry, number, name=str(uri), writable=writable)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        for place in volumes_under(storage_path(uri)):
            yield ResourceInfo(place.uri("zarr"), "volume", self._describe(place))

    def _describe(self, place: StoragePath) -> str:
        try:
            spec = self._open(place, str(place)).spec
        except UnsupportedFormat as error:
            return f"cannot be opened: {error}"
        return f"{spec.dtype} {spec.domain}"

    def create(self, uri: Uri, spec: VolumeSpec) -> ZarrSource:
        make(storage_path(uri, writing=True), spec)
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        place = storage_path(uri, writing=True)
        must_find(place)
        place.delete()

    def recognises(self, path: str) -> bool:
        """Whether a zarr array or group lies in the folder at `path`."""
        return any((local_path(path) / name).is_file() for name in FILES)


def _in_pyramid(node: Node) -> tuple[ome.Dataset | None, bool]:
    """The place of an array in the pyramid of a group one or two folders up, and whether that holds labels."""
    below = node.place.name
    for above in islice(node.place.parents, 2):
        group = _if_given(above)
        entry = None if group is None else ome.multiscales(group.attributes)
        if group is not None and entry is not None:
            for one in ome.datasets(entry, str(group.place)):
                if one.path.strip("/") == below:
                    return one, ome.holds_labels(group.attributes)
        below = f"{above.name}/{below}"
    return None, False


def _if_given(place: StoragePath) -> Node | None:
    try:
        return find(place)
    except AccessDenied:
        return None


def _nothing(place: StoragePath, name: str) -> str:
    message = f"{name}: there is no zarr array or group, none of {', '.join(FILES)}"
    inside = [one.name for one in _nodes_in(place)] if place.is_local and place.taken() else []
    return f"{message}; name one that is in it: {_some(inside)}" if inside else message


def _nodes_in(place: StoragePath) -> Iterator[StoragePath]:
    names = place.lister()
    for folder in names(place)[0]:
        if set(names(place / folder)[1]) & set(FILES):
            yield place / folder


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _no_pyramid(node: Node, name: str) -> str:
    found = [place.path.removeprefix(f"{node.place.path}/") for place in volumes_under(node.place)]
    if not found:
        return f"{name} is a zarr group without arrays that can be listed; name an array in it: {name}/ARRAY"
    return f"{name} is a zarr group without multiscales; name one of its arrays, as {name}/{found[0]}: {_some(found)}"
