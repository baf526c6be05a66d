"""Formats of bare paths and addresses, recognised by their content."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

from voxome.contracts.abilities import SupportsMarkerFiles, SupportsRecognise, SupportsSignature
from voxome.contracts.source import Remote
from voxome.contracts.traits import SupportsFormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import StoreError, VoxomeError
from voxome.registry import load, load_all, targets
from voxome.storage.atomic import read_error
from voxome.storage.find import storage_path
from voxome.storage.path import StoragePath
from voxome.storage.zips import ZipPath, in_zip

GROUP = "voxome.remotes"
"""Group of the remotes in the registry."""

Ability = TypeVar("Ability")

_BATCH = 256
"""Folders whose marker files are read at once."""


def get_remote(scheme: str) -> Remote:
    """Return the remote of `scheme`.

    Raises
    ------
    UnknownName
        If it does not exist.
    """
    return cast("Remote", load(GROUP, scheme)())


def find_remote(scheme: str) -> Remote | None:
    """Return the remote of `scheme`, or None."""
    return get_remote(scheme) if scheme in targets(GROUP) else None


def remotes_with(protocol: type[Ability]) -> Iterator[tuple[str, Ability]]:
    """Yield scheme and remote of all that have an ability; they are imported one by one."""
    for scheme, _ in load_all(GROUP):
        store = get_remote(scheme)
        if isinstance(store, protocol):
            yield scheme, store


def recognise(path: Path) -> str | None:
    """Return the scheme whose remote recognises a local path, or None.

    Raises
    ------
    AccessDenied, StoreError
        If it may not be read, or its disk fails.
    """
    return next((scheme for scheme, store in remotes_with(SupportsRecognise) if _recognises(store, path)), None)


def _recognises(store: SupportsRecognise, path: Path) -> bool:
    try:
        return store.recognises(path)
    except VoxomeError:
        raise
    except OSError as error:
        raise read_error(path, error) from error


def signatures() -> list[str]:
    """Return by what the formats are recognised, for messages."""
    return [store.signature for _, store in remotes_with(SupportsSignature)]


def scheme_of_name(path: str) -> str | None:
    """Return the scheme of the format that the name of a new volume ends with, or one of its parts; None if unknown."""
    declared = ((store.traits.suffix, scheme) for scheme, store in remotes_with(SupportsFormatTraits))
    suffixes = {suffix: scheme for suffix, scheme in declared if suffix}
    ends = (Path(part).suffix.lower() for part in reversed(path.split("/")))
    return next((suffixes[end] for end in ends if end in suffixes), None)


def recognise_address(uri: Uri) -> str | None:
    """Return the scheme of the format at an address, such as ``s3://bucket/em``, or None.

    Raises
    ------
    AccessDenied, StoreError
        If the store refuses, or fails.
    """
    keys, folder = marker_files(), in_zip(storage_path(uri))
    contents = zip(keys, folder.read_all(keys), strict=True)
    objects = [key for key, text in contents if (text or b"").lstrip().startswith(b"{")]  # no page of a web server
    if not objects and isinstance(folder, ZipPath):
        objects = [file.rpartition("/")[2] for file in folder.files()]
    return _match(uri, objects, _marked())


def recognise_folders(folder: StoragePath, names: Sequence[str]) -> Iterator[tuple[str, str | Exception]]:
    """Yield the name and the scheme of each of the folders `names` in `folder` that has a format.

    A folder whose files may not be read has none. Where the store fails, its error stands for the scheme.
    """
    rest, stores, keys = iter(names), _marked(), marker_files()
    while batch := list(islice(rest, _BATCH)):
        found = folder.read_permitted([f"{name}/{key}" for name in batch for key in keys])
        for name in batch:
            there = [key for key in keys if f"{name}/{key}" in found]
            scheme: str | Exception | None
            failed = next((one for key in there if isinstance(one := found[f"{name}/{key}"], StoreError)), None)
            try:
                scheme = failed or _match(Uri("", (folder / name).path, folder.options), there, stores)
            except Exception as error:
                scheme = error
            if scheme is not None:
                yield name, scheme


def marker_files() -> list[str]:
    """Return the paths of the marker files of all formats."""
    return [key for store in _marked().values() for key in store.marker_files]


def _marked() -> dict[str, SupportsMarkerFiles]:
    """Scheme → remote, for each format with marker files."""
    return dict(remotes_with(SupportsMarkerFiles))


def _match(folder: Uri, files: Collection[str], stores: Mapping[str, SupportsMarkerFiles]) -> str | None:
    """Return the first scheme of which `files` contain a marker file, and that recognises the folder."""
    for scheme, store in stores.items():
        marked = any(name in files for name in store.marker_files)
        if marked and store.recognises_folder(replace(folder, scheme=scheme)):
            return scheme
    return None
