"""What lies under a place, whatever store it is in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from voxome.contracts.abilities import SupportsRecognise
from voxome.contracts.source import Remote, ResourceInfo
from voxome.contracts.uri import Uri
from voxome.errors import NotFound
from voxome.registry import targets
from voxome.resources.open import locate, remote
from voxome.storage.local import local_path

FOLDER, VOLUME = "folder", "volume"


def listing(uri: str, *, deep: bool = False) -> Iterator[ResourceInfo]:
    """The volumes, and what holds volumes, under `uri`.

    Parameters
    ----------
    uri : str
        A URI, or a folder of this machine that may hold volumes of any format.
    deep : bool
        Whether to look into what is found too.

    Raises
    ------
    NotFound
        If nothing is there.
    UnsupportedFormat
        If the store cannot list.
    """
    parsed = Uri.parse(uri)
    if parsed.scheme or ":" in parsed.path.partition("/")[0]:
        located = locate(uri)
        return _of_remote(remote(located.scheme), located, deep)
    path = local_path(parsed.path)
    if not path.exists():
        raise NotFound(f"there is nothing at {path}")
    return _of_path(path, deep)


def _of_remote(one: Remote, uri: Uri, deep: bool) -> Iterator[ResourceInfo]:
    for info in one.list(uri):
        yield info
        if deep and info.type != VOLUME and info.uri != str(uri):
            yield from _of_remote(one, Uri.parse(info.uri), deep)


def _of_path(path: Path, deep: bool) -> Iterator[ResourceInfo]:
    """What is at `path` if it is of a known format; otherwise what is in it."""
    if scheme := _recognised(path):
        yield from remote(scheme).list(Uri(scheme, str(path)))
        return
    for inside in sorted(path.iterdir()) if path.is_dir() else []:
        if inside.name.startswith("."):
            continue
        if scheme := _recognised(inside):
            yield from remote(scheme).list(Uri(scheme, str(inside)))
        elif inside.is_dir():
            yield ResourceInfo(str(inside), FOLDER)
            if deep:
                yield from _of_path(inside, deep)


def _recognised(path: Path) -> str:
    """The scheme whose remote takes `path` for its own; empty if none does."""
    for scheme in targets("voxome.remotes"):
        one = remote(scheme)
        if isinstance(one, SupportsRecognise) and one.recognises(str(path)):
            return scheme
    return ""
