"""``precomputed://PATH``: a Neuroglancer volume in a local folder or at an http(s) address."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from voxome.contracts.uri import Uri
from voxome.contracts.volume import Mode, ResourceInfo, VolumeSpec
from voxome.errors import AlreadyThere, CorruptData, NotFound, ReadOnly, StoreError, UnsupportedFormat
from voxome.remotes.documents import folder_of, read_json, update_json
from voxome.remotes.local import local_path
from voxome.remotes.precomputed.info import Json, check
from voxome.remotes.precomputed.source import INFO, PrecomputedPyramid
from voxome.remotes.precomputed.writing import new_info
from voxome.remotes.tensorstore import is_remote

_DEEPEST = 32


class PrecomputedRemote:
    """Volumes that Neuroglancer reads."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> PrecomputedPyramid:
        path = _writable(uri) if mode == "r+" else folder_of(uri.path)
        info = read_json(path, INFO)
        if info is None:
            raise NotFound(f"{uri}: there is no precomputed volume, for there is no {path}/{INFO}")
        check(info, str(uri))
        try:
            return PrecomputedPyramid(path, info, mode=mode, name=str(uri))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, UnsupportedFormat):
                raise
            raise UnsupportedFormat(f"{uri}: its info makes no sense: {error!r}") from error

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        path = folder_of(uri.path)
        if is_remote(path):
            raise UnsupportedFormat(f"{uri}: what lies under an http address cannot be listed; name a volume")
        if not Path(path).is_dir():
            raise NotFound(f"{uri}: there is no folder {path}")
        yield from _walk(path, _DEEPEST)

    def recognises(self, path: str) -> bool:
        """Whether a folder with the ``info`` of a Neuroglancer layer lies at `path`."""
        try:
            info = _info_at(str(local_path(path)))
        except (CorruptData, StoreError):
            return False
        return info is not None

    def create(self, uri: Uri, spec: VolumeSpec) -> PrecomputedPyramid:
        """Make a volume of one scale and open it for writing.

        ``spec.encoding["codec"]`` is raw, jpeg, png or compressed_segmentation (if None: the last for labels of 32 or
        64 bits, else raw), or a mapping of ``name`` and options in the words of ``info``. A `write_chunk` larger than
        `read_chunk` makes shards.
        """
        path = _writable(uri)
        folder = Path(path)
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise AlreadyThere(f"something is at {uri} already; choose another path, or delete it")
        info = new_info(spec, str(uri))

        def enter(old: Json) -> Json:
            if old:
                raise AlreadyThere(f"something is at {uri} already; choose another path, or delete it")
            return info

        update_json(path, INFO, enter)
        return self.open(uri, mode="r+")

    def delete(self, uri: Uri) -> None:
        path = _writable(uri)
        if _info_at(path) is None:
            raise NotFound(f"{uri} is no precomputed volume: nothing was removed")
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise StoreError(f"{uri} cannot be removed: {error}") from error


def _writable(uri: Uri) -> str:
    path = folder_of(uri.path)
    if is_remote(path):
        raise ReadOnly(f"{uri}: an http address is read, not written")
    return path


def _info_at(path: str) -> Json | None:
    """The info file of a Neuroglancer layer of any kind in a local folder; None if there is none."""
    if not (Path(path) / INFO).is_file():
        return None
    info = read_json(path, INFO) or {}
    return info if "scales" in info or str(info.get("@type", "")).startswith("neuroglancer_") else None


def _walk(path: str, depth: int) -> Iterator[ResourceInfo]:
    info = _info_at(path)
    if info is not None:
        if "scales" in info:
            size = "x".join(str(n) for n in reversed(info["scales"][0]["size"]))
            yield ResourceInfo(f"precomputed://{path}", "volume", f"{info.get('data_type')} {size}")
        return
    for folder in _folders(path) if depth else []:
        yield from _walk(folder, depth - 1)


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise StoreError(f"{path} cannot be listed: {error}") from error
