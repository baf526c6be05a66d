"""``zarr://PATH``: an array, or an OME-Zarr group, in a folder or behind http(s)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from voxome.contracts.uri import Uri
from voxome.contracts.volume import Mode, ResourceInfo, VolumeSpec
from voxome.errors import ReadOnly, StoreError, UnsupportedFormat
from voxome.remotes.tensorstore import is_remote, local_path
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.make import make
from voxome.remotes.zarr.metadata import Node, arrays_under, find
from voxome.remotes.zarr.source import ZarrSource, must_find, open_array, open_pyramid

_SHOWN = 12


class ZarrRemote:
    """Zarr v2 and v3, sharded or not, and OME-Zarr 0.1 to 0.5."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> ZarrSource:
        path, name, writable = uri.path, str(uri), mode == "r+"
        if writable and is_remote(path):
            raise ReadOnly(f"{name} is behind http, which is read-only; copy it to a local store to write")
        node = must_find(path)
        if node.type == "array":
            dataset, labels = _in_pyramid(node)
            return open_array(node, dataset, name=name, writable=writable, labels=labels)
        entry = ome.multiscales(node.attributes)
        if entry is None:
            raise UnsupportedFormat(_no_pyramid(node, name))
        return open_pyramid(node, entry, name=name, writable=writable)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        root = uri.path.rstrip("/")
        for path in arrays_under(root):
            whole = root if path == "." else f"{root}/{path}"
            shape = must_find(whole).document["shape"]
            yield ResourceInfo(f"zarr://{whole}", "volume", "x".join(map(str, shape)))

    def create(self, uri: Uri, spec: VolumeSpec) -> ZarrSource:
        if is_remote(uri.path):
            raise ReadOnly(f"{uri} is behind http, which is read-only; create it in a local folder")
        make(local_path(uri.path), spec)
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        if is_remote(uri.path):
            raise ReadOnly(f"{uri} is behind http, which is read-only")
        must_find(uri.path)
        try:
            shutil.rmtree(local_path(uri.path))
        except OSError as error:
            raise StoreError(f"{uri} cannot be deleted: {error}") from error

    def recognises(self, path: str) -> bool:
        folder = Path(path)
        return any((folder / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


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


def _no_pyramid(node: Node, name: str) -> str:
    found = list(arrays_under(node.path))
    if not found:
        return f"{name} is a zarr group without arrays that can be listed; name an array in it: {name}/ARRAY"
    shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    return f"{name} is a zarr group without multiscales; name one of its arrays, as {name}/{found[0]}: {shown}"
