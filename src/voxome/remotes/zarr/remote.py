"""``zarr://PATH``: an array, or an OME-Zarr group, in a folder or behind http(s)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from voxome.contracts.uri import Uri
from voxome.contracts.volume import Mode, ResourceInfo, VolumeSpec
from voxome.errors import NotFound, ReadOnly, StoreError, UnsupportedFormat
from voxome.remotes.documents import folder_of
from voxome.remotes.tensorstore import is_remote
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.listing import volumes_under
from voxome.remotes.zarr.make import make
from voxome.remotes.zarr.metadata import FILES, Node, find, must_find
from voxome.remotes.zarr.source import ZarrSource, open_array, open_pyramid

_SHOWN = 12


class ZarrRemote:
    """Zarr v2 and v3, sharded or not, and OME-Zarr 0.1 to 0.5."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> ZarrSource:
        path, name, writable = folder_of(uri.path), str(uri), mode == "r+"
        if writable and is_remote(path):
            raise ReadOnly(f"{name} is behind http, which is read-only; copy it to a local store to write")
        node = find(path)
        if node is None:
            raise NotFound(_nothing(path, name))
        if node.type == "array":
            dataset, labels = _in_pyramid(node)
            return open_array(node, dataset, name=name, writable=writable, labels=labels)
        entry = ome.multiscales(node.attributes)
        if entry is None:
            raise UnsupportedFormat(_no_pyramid(node, name))
        return open_pyramid(node, entry, name=name, writable=writable)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        root = folder_of(uri.path)
        for path in volumes_under(root):
            whole = root if path == "." else f"{root}/{path}"
            yield ResourceInfo(f"zarr://{whole}", "volume", self._describe(whole))

    def _describe(self, path: str) -> str:
        try:
            spec = self.open(Uri("zarr", path)).spec
        except UnsupportedFormat as error:
            return f"cannot be opened: {error}"
        return f"{spec.dtype} {spec.domain}"

    def create(self, uri: Uri, spec: VolumeSpec) -> ZarrSource:
        path = folder_of(uri.path)
        if is_remote(path):
            raise ReadOnly(f"{uri} is behind http, which is read-only; create it in a local folder")
        make(Path(path), spec)
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        path = folder_of(uri.path)
        if is_remote(path):
            raise ReadOnly(f"{uri} is behind http, which is read-only")
        must_find(path)
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise StoreError(f"{uri} cannot be deleted: {error}") from error

    def recognises(self, path: str) -> bool:
        folder = Path(path)
        return any((folder / name).is_file() for name in FILES)


def _in_pyramid(node: Node) -> tuple[ome.Dataset | None, bool]:
    """The place of an array in the pyramid of a group one or two folders up, and whether that holds labels."""
    above, _, below = node.path.rpartition("/")
    for _ in range(2):
        group = find(above) if above else None
        entry = None if group is None else ome.multiscales(group.attributes)
        if group is not None and entry is not None:
            for one in ome.datasets(entry, group.path):
                if one.path.strip("/") == below:
                    return one, ome.holds_labels(group.attributes)
        above, _, last = above.rpartition("/")
        below = f"{last}/{below}"
    return None, False


def _nothing(path: str, name: str) -> str:
    message = f"{name}: there is no zarr array or group, none of {', '.join(FILES)}"
    inside = (
        [] if is_remote(path) else sorted(file.parent.name for one in FILES for file in Path(path).glob(f"*/{one}"))
    )
    return f"{message}; name one that is in it: {_some(inside)}" if inside else message


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _no_pyramid(node: Node, name: str) -> str:
    found = list(volumes_under(node.path))
    if not found:
        return f"{name} is a zarr group without arrays that can be listed; name an array in it: {name}/ARRAY"
    return f"{name} is a zarr group without multiscales; name one of its arrays, as {name}/{found[0]}: {_some(found)}"
