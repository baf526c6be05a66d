"""Datasets of an HDF5 file by all their paths: through hard, soft and external links."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import h5py

from voxome.errors import AccessDenied, CorruptData, NotFound, VoxomeError

MAX_PATHS = 100_000
"""Number of paths after which a search ends: links can make any number of them."""

_MOST_FILES = 16
"""Files on a path after which HDF5 itself follows no further link."""
_MOST_SOFT_LINKS = 100
"""Soft links on a path after which it counts as one that leads in circles."""

Identity = tuple[int, int]
"""File number and address of an object, the same by each of its paths."""


def identity(node: h5py.Group | h5py.Dataset) -> Identity:
    """Return what is equal for two paths to one object."""
    info = h5py.h5o.get_info(node.id)
    return int(info.fileno), int(info.addr)


def datasets_below(
    node: h5py.Group | h5py.Dataset, path: str, *, external: bool = False
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the path and the dataset of each dataset at or below a node.

    Broken links are left out (see `dead_links_below`), and groups that contain themselves are entered once.

    Parameters
    ----------
    node : group or dataset
        Where to begin.
    path : str
        Its path, without slashes at its ends; paths begin with it.
    external : bool
        Whether to follow links to files in other folders.
    """
    for count, (name, found) in enumerate(_below(node, path, frozenset(), external)):
        if count == MAX_PATHS:
            return
        if isinstance(found, h5py.Dataset):
            yield name, found


def dead_links_below(
    node: h5py.Group | h5py.Dataset, path: str, *, external: bool = False
) -> Iterator[tuple[str, VoxomeError]]:
    """Yield the path of each link below a node that is not followed, and why.

    It leads nowhere, to another folder, or has a name that is not UTF-8.

    Parameters
    ----------
    node, path, external
        As of `datasets_below`.
    """
    for name, found in islice(_below(node, path, frozenset(), external), MAX_PATHS):
        if not isinstance(found, h5py.Dataset):
            yield name, found


def describe_dead_link(h5: h5py.File, path: str) -> str:
    """Return where the first link on a path leads that leads nowhere; empty if the path has none."""
    node: h5py.Group | h5py.Dataset = h5
    for name in path.strip("/").split("/"):
        if not isinstance(node, h5py.Group):
            return ""
        link = node.get(name, getlink=True)
        try:
            node = node[name]
        except (KeyError, OSError, RuntimeError):
            return "" if link is None else _describe_link(link)
    return ""


def external_link(h5: h5py.Group, path: str) -> tuple[str, h5py.ExternalLink] | None:
    """Return the first external link on a path, and its own path; None if all of the path is in the file.

    No other file is opened.
    """
    found = _external_link(h5, path)
    return None if found is None else found[:2]


def refused_link(h5: h5py.File, path: str) -> VoxomeError | None:
    """Return an error if a path leads by links to a file in another folder, or to a pipe or device.

    Files in the folder of `h5` are opened, no others.
    """
    return _refused(h5, path, _MOST_FILES)


def soft_link(h5: h5py.File, path: str) -> str | None:
    """Return where the path leads, if what it names is a soft link itself."""
    group, _, name = path.strip("/").rpartition("/")
    node = h5.get(group or "/")
    link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
    return link.path if isinstance(link, h5py.SoftLink) else None


def _refused(h5: h5py.File, path: str, files: int) -> VoxomeError | None:
    found = _external_link(h5, path)
    if found is None:
        return None
    _, link, rest = found
    if files == 0 or (problem := _refused_file(h5, link)):
        return problem if files else NotFound(_describe_link(link))
    try:
        with h5py.File(Path(h5.filename).resolve().parent / link.filename, "r") as other:
            return _refused(other, f"{link.path}/{rest}", files - 1)
    except OSError:  # it is missing or damaged, which following it says
        return None


def _external_link(h5: h5py.Group, path: str) -> tuple[str, h5py.ExternalLink, str] | None:
    """Return the first external link on a path, its own path, and the part of the path behind it."""
    node: h5py.Group | h5py.Dataset = h5
    waiting, soft = _parts(path), 0
    while waiting and isinstance(node, h5py.Group):
        name = waiting.pop(0)
        link = node.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            return f"{node.name}/{name}".replace("//", "/"), link, "/".join(waiting)
        if isinstance(link, h5py.SoftLink):
            soft += 1
            if soft > _MOST_SOFT_LINKS:
                return None
            node = h5["/"] if link.path.startswith("/") else node
            waiting = _parts(link.path) + waiting
        elif link is None:
            return None
        else:
            node = node[name]
    return None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _below(
    node: h5py.Group | h5py.Dataset, path: str, above: frozenset[Identity], external: bool
) -> Iterator[tuple[str, h5py.Dataset | VoxomeError]]:
    if isinstance(node, h5py.Dataset):
        yield path, node
    elif isinstance(node, h5py.Group) and (own := identity(node)) not in above:
        for name in _names(node):
            if isinstance(name, bytes):
                shown = name.decode(errors="backslashreplace")
                yield f"{path}/{shown}".lstrip("/"), CorruptData("its name is not UTF-8; rename it")
                continue
            link = None if external else external_link(node, name)
            if link is not None and (problem := _refused_file(node, link[1])):
                yield f"{path}/{name}".lstrip("/"), problem
                continue
            try:
                child = node[name]
            except (KeyError, OSError, RuntimeError):  # a link to nothing, or to a file that is missing or damaged
                yield f"{path}/{name}".lstrip("/"), NotFound(_describe_link(node.get(name, getlink=True)))
                continue
            if not external and (problem := elsewhere(node, child)):  # by a link in another file
                yield f"{path}/{name}".lstrip("/"), problem
                continue
            yield from _below(child, f"{path}/{name}".lstrip("/"), above | {own}, external)


def elsewhere(node: h5py.Group, found: h5py.Group | h5py.Dataset) -> AccessDenied | None:
    """Return an error if what was found from a node is in a file of another folder."""
    if _in_folder_of(node, found.file.filename):
        return None
    return _elsewhere(f"{found.name} in {found.file.filename}")


def _refused_file(node: h5py.Group, link: h5py.ExternalLink) -> VoxomeError | None:
    """Return an error if the file of a link is in another folder, or is none that ends."""
    if not _in_folder_of(node, link.filename):
        return _elsewhere(f"{link.path} in {link.filename}")
    file = Path(node.file.filename).resolve().parent / link.filename
    return NotFound(_describe_link(link)) if file.exists() and not file.is_file() else None


def _in_folder_of(node: h5py.Group, file: str) -> bool:
    folder = Path(node.file.filename).resolve().parent
    return (folder / file).resolve().is_relative_to(folder)


def _elsewhere(what: str) -> AccessDenied:
    return AccessDenied(f"a link to {what}, in another folder; if this is meant, add ?external=true")


def _describe_link(link: object) -> str:
    if isinstance(link, h5py.ExternalLink):
        return f"a link to {link.path} in {link.filename}, which cannot be opened"
    if isinstance(link, h5py.SoftLink):
        return f"a link to {link.path}, which does not exist"
    return "an object that is damaged"


def _names(group: h5py.Group) -> list[str | bytes]:
    """Return the names in a group, as bytes where they are not UTF-8; none if it is damaged."""
    try:
        return list(group)
    except (OSError, RuntimeError):
        return []
