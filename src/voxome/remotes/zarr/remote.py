"""``zarr://PATH``: an array, or an OME-Zarr group, in any storage."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from voxome.contracts.levels import require_level
from voxome.contracts.listing import unreadable_entry, volume_entry
from voxome.contracts.source import Mode, ResourceInfo
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, CorruptData, NotFound, StoreError, UnsupportedFormat
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.create import check_spec, create
from voxome.remotes.zarr.listing import volumes_under
from voxome.remotes.zarr.metadata import FILES, Node, find_node, require_node
from voxome.remotes.zarr.own_files import own_files
from voxome.remotes.zarr.source import ZarrSource, open_array, open_level, open_pyramid
from voxome.remotes.zarr.volume_files import ZarrFiles
from voxome.storage.find import require_writable, storage_path
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath
from voxome.storage.zips import SUFFIXES, ZipPath, in_zip

_log = logging.getLogger(__name__)
_SHOWN = 12


class ZarrRemote:
    """Zarr v2 and v3, sharded or not, and OME-Zarr 0.1 to 0.5."""

    traits = FormatTraits(suffix=".zarr", creates_levels=True)
    marker_files = FILES
    """Files of which every folder with a zarr array or group has one."""
    signature = "a zarr folder (zarr.json, .zarray, .zgroup), or a zip with one (.zip, .ozx)"

    def open(self, uri: Uri, *, mode: Mode = "r") -> ZarrSource:
        writable = mode == "r+"
        return self._open(_folder(uri, writing=writable), str(uri), writable=writable)

    def _open(self, folder: StoragePath, name: str, *, writable: bool = False) -> ZarrSource:
        node = find_node(folder)
        if node is None:
            raise NotFound(_not_found(folder, name))
        if node.type == "array":
            dataset, labels = _in_pyramid(node)
            return open_array(node, dataset, name=name, writable=writable, labels=labels)
        entry = ome.multiscales(node.attributes)
        if entry is None:
            raise UnsupportedFormat(_not_a_pyramid(node, name))
        return open_pyramid(node, entry, name=name, writable=writable)

    def open_level(self, uri: Uri, number: int, *, mode: Mode = "r") -> ZarrSource:
        writable = mode == "r+"
        node = find_node(_folder(uri, writing=writable))
        entry = None if node is None else ome.multiscales(node.attributes)
        if node is None or entry is None:
            require_level(str(uri), number, 1)
            return self.open(uri, mode=mode)
        return open_level(node, entry, number, name=str(uri), writable=writable)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        for folder, problem in volumes_under(_folder(uri)):
            if problem is None:
                yield volume_entry(folder.uri("zarr"), partial(self._spec_of, folder))
            else:
                yield unreadable_entry(folder.uri("zarr"), problem)

    def _spec_of(self, folder: StoragePath) -> VolumeSpec:
        return self._open(folder, str(folder)).spec

    def volume_files(self, levels: Sequence[VolumeSpec], name: str) -> ZarrFiles:
        return ZarrFiles(levels, name)

    def create(self, uri: Uri, spec: VolumeSpec) -> ZarrSource:
        folder = _folder(uri, writing=True)
        if folder.name.endswith(SUFFIXES):
            raise UnsupportedFormat(f"{uri}: zips are read, not written; write a folder such as NAME.zarr, and zip it")
        create(folder, spec)
        return self.open(uri, mode="r+")

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        check_spec(spec, str(uri))

    def own_files(self, uri: Uri) -> str:
        return own_files(require_node(_folder(uri)))

    def delete(self, uri: Uri) -> None:
        folder = _folder(uri, writing=True)
        require_node(folder)
        folder.delete()

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is a zarr array or group, a zip with one, or a folder in such a zip."""
        return any((path / name).is_file() for name in FILES) or _is_in_zip(path)

    def recognises_folder(self, folder: Uri) -> bool:
        return True


def _folder(uri: Uri, *, writing: bool = False) -> StoragePath:
    folder = in_zip(storage_path(uri, writing=writing))
    return require_writable(folder, str(uri)) if writing else folder


def _is_in_zip(path: Path) -> bool:
    folder = in_zip(LocalPath(str(path)))
    if not isinstance(folder, ZipPath):
        if path.name.endswith(SUFFIXES) and path.is_file():
            raise CorruptData(f"{path} does not begin as a zip does; restore it from a copy, or zip its content again")
        return False
    try:
        if any(file.rpartition("/")[2] in FILES for file in folder.files()):
            return True
        folder.require_methods()
        return False
    except CorruptData:
        return path.name.endswith(SUFFIXES)  # so that opening it says what is wrong
    except StoreError:
        return False


def _in_pyramid(node: Node) -> tuple[ome.Dataset | None, bool]:
    """Return the entry of an array in the pyramid of a group one or two folders up, and whether that has labels."""
    below = node.folder.name
    for above in islice(node.folder.parents, 2):
        try:
            group = find_node(above)
            entry = None if group is None else ome.multiscales(group.attributes)
            for one in [] if entry is None else ome.datasets(entry, str(above)):
                if group is not None and one.path.strip("/") == below:
                    return one, ome.holds_labels(group.attributes)
        except AccessDenied:
            pass
        except CorruptData as error:
            _log.warning(
                "%s: voxel size and offset may be missing, as a group above is damaged: %s", node.folder, error
            )
        below = f"{above.name}/{below}"
    return None, False


def _not_found(folder: StoragePath, name: str) -> str:
    message = f"{name} is not a zarr array or group: it has none of {', '.join(FILES)}"
    inside = [one.name for one in _nodes_in(folder)] if folder.quick_to_list and folder.taken() else []
    return f"{message}; open one inside it: {_abbreviate(inside)}" if inside else message


def _nodes_in(folder: StoragePath) -> Iterator[StoragePath]:
    for name in folder.entries().folders:
        if len((folder / name).missing(FILES)) < len(FILES):
            yield folder / name


def _abbreviate(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _not_a_pyramid(node: Node, name: str) -> str:
    readable = (folder.path for folder, problem in volumes_under(node.folder) if problem is None)
    arrays = [path.removeprefix(f"{node.folder.path}/") for path in readable]
    if not arrays:
        return f"{name} is a zarr group whose arrays cannot be listed; name one of them: {name}/ARRAY"
    return (
        f"{name} is a zarr group without multiscales; name one of its arrays, as {name}/{arrays[0]}: "
        f"{_abbreviate(arrays)}"
    )
