"""Open resources by URI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar, cast, get_args, overload

import numpy as np

from voxome.calls import explain_calls
from voxome.contracts.abilities import (
    SupportsLevels,
    SupportsMarkerFiles,
    SupportsOpenLevel,
    SupportsUriOptions,
    ability,
)
from voxome.contracts.arguments import require_count
from voxome.contracts.levels import require_level
from voxome.contracts.source import MeshSource, Mode, PointsSource, Remote, SkeletonSource, Source, VolumeSource
from voxome.contracts.traits import FormatTraits, SupportsFormatTraits
from voxome.contracts.uri import LEVEL, Location, Uri, require_options, with_options
from voxome.errors import (
    AccessDenied,
    InvalidInput,
    InvalidUri,
    MissingExtra,
    NotFound,
    ReadOnly,
    UnsupportedFormat,
    describe_value,
)
from voxome.registry import load, targets
from voxome.resources.addresses import has_local_paths
from voxome.resources.file_names import file_problem
from voxome.resources.recognition import find_remote, get_remote, marker_files, recognise, recognise_address, signatures
from voxome.resources.shapes import Meshes, Points, Skeletons
from voxome.resources.view_options import apply_view, is_percent, refuse_labels, split_view, with_values, without_window
from voxome.resources.volume import Volume
from voxome.storage.find import GROUP, storage_path
from voxome.storage.zips import names_zip

Resource = Volume | Meshes | Skeletons | Points
"""Anything that `open` returns."""

R = TypeVar("R", Volume, Meshes, Skeletons, Points)

_RESOURCES: Mapping[type[Any], tuple[type[Any], str]] = {
    MeshSource: (Meshes, "meshes"),
    SkeletonSource: (Skeletons, "skeletons"),
    PointsSource: (Points, "points"),
    VolumeSource: (Volume, "a volume"),
}
"""Protocol of a source → the resource that users hold, and what to call it."""

_RUN_RECORD = "run.json"
"""File by which the folder of a run is known."""


def format_traits(scheme: str) -> FormatTraits:
    """Return what the remote of `scheme` declares about its format; the defaults if there is no such remote."""
    remote = find_remote(scheme)
    return remote.traits if isinstance(remote, SupportsFormatTraits) else FormatTraits()


def remote_of(uri: Uri) -> Remote:
    """Return the remote of a URI, whose options it must have."""
    store = get_remote(uri.scheme)
    if isinstance(store, SupportsUriOptions):
        require_options(uri, store.uri_options, f"{uri.scheme}://")
    return store


def locate(text: Location, *, level: int | None = None) -> Uri:
    """Return the URI of `text`: a bare path or address is recognised by its content, ``dataset:NAME`` looked up.

    A window in per cent is replaced by its grey values at `level`, or else at that of ``?level=``.

    Raises
    ------
    NotFound
        If nothing is stored at a bare path or address.
    UnsupportedFormat
        If no format recognises it.
    """
    plain, view = split_view(Uri.parse(text))
    located = _locate(plain)
    if is_percent(view):
        source = _open(
            replace(located, query={**located.query, **without_window(view)}), "r", _level_number(plain, level)
        )
        refuse_labels(_volume(source, located).spec, view, str(located))
        view = with_values(view, _volume(source, located), str(located))
    return replace(located, query={**located.query, **view})


def _locate(uri: Uri) -> Uri:
    bare = bare_address(uri)
    if bare is not None:
        return _locate_address(bare) if "://" in bare.path or names_zip(bare.path) else _locate_path(bare)
    if uri.scheme:
        return uri
    prefix, _, name = uri.path.partition(":")
    resolved = Uri.parse(load("voxome.resolvers", prefix)(name))
    return replace(resolved, query={**resolved.query, **uri.query})


def _locate_address(uri: Uri) -> Uri:
    if scheme := recognise_address(uri):
        return replace(uri, scheme=scheme)
    _refuse_file(uri)
    _require_folder(uri)
    hint = f", or look around with `voxome ls {uri}`" if storage_path(uri).listable else ""
    raise NotFound(
        f"{uri} is not a recognised volume: none of {', '.join(marker_files())} describes one; name its format, as "
        f"zarr://{uri}{hint}"
    )


def _refuse_file(uri: Uri) -> None:
    """Raise if an address is that of one file of a store that can be listed."""
    path = storage_path(uri)
    folder = path.parent
    if path.listable and folder is not None and "." in path.name and not folder.missing([path.name]):
        raise UnsupportedFormat(
            f"{uri} is one file; HDF5, TIFF, NIfTI, NumPy and other formats of one file are read from local paths "
            "only: copy it to this machine first"
        )


def _require_folder(uri: Uri) -> None:
    """Raise if the bucket or the prefix of an address does not exist, where the store lets one know."""
    with suppress(AccessDenied, MissingExtra, UnsupportedFormat):
        next(storage_path(uri).pages(), None)


def _locate_path(uri: Uri) -> Uri:
    path = uri.local_path
    if scheme := recognise(path):
        return replace(uri, scheme=scheme)
    for part in (path, *path.parents):
        if part.is_file() and recognise(part) is None and (problem := file_problem(part)) is not None:
            raise UnsupportedFormat(f"{part} {problem}")
    if not any(part.is_file() for part in (path, *path.parents)) and not path.exists():
        raise NotFound(f"{uri.path} does not exist; give an existing path, or a URI such as zarr://PATH")
    if not path.exists():
        raise NotFound(f"{uri.path} does not exist, neither as a file nor inside a file that voxome reads")
    if (path / _RUN_RECORD).is_file():
        raise UnsupportedFormat(
            f"{uri.path} is the folder of a run, not a volume; name one of its results, or show all with "
            f"`voxome view {uri.path}`"
        )
    raise UnsupportedFormat(
        f"{uri.path} is not a recognised volume, which would be one of: {'; '.join(signatures())}. Name its format, "
        f"as in zarr://{uri.path}, or look around with `voxome ls {uri.path}`"
    )


def bare_address(uri: Uri) -> Uri | None:
    """Return a bare path or address without a scheme; None for the URI of a format, or of a name to be resolved.

    Examples
    --------
    >>> bare_address(Uri.parse("s3://bucket/em")), bare_address(Uri.parse("zarr://s3://bucket/em"))
    (Uri('s3://bucket/em'), None)
    """
    if uri.scheme in targets(GROUP):
        return replace(uri, scheme="", path=f"{uri.scheme}://{uri.path}")
    prefix, colon, _ = uri.path.partition(":")
    named = not uri.scheme and colon and prefix in targets("voxome.resolvers")
    return None if named or uri.scheme else uri


def canonical(uri: Location) -> Uri:
    """Return a URI that is equal for all spellings of one volume: absolute, without links and slashes at the end.

    Options stay as they are, except that ``level=0`` is left out.
    """
    parsed = Uri.parse(uri)
    path = parsed.path.rstrip("/")
    if "://" not in path and (not parsed.scheme or has_local_paths(parsed.scheme)):
        path = os.path.realpath(parsed.local_path)
    query = {name: value for name, value in parsed.query.items() if (name, value) != (LEVEL, "0")}
    return replace(parsed, path=path, query=query)


def open_source(uri: Location, *, mode: Mode = "r", level: int | None = None) -> VolumeSource:
    """Open the volume at `uri` as a source, at `level` of its pyramid (or at that of ``?level=``).

    Raises
    ------
    InvalidInput
        If the URI holds meshes, skeletons or points.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri
    """
    located = locate(uri, level=level)
    return _volume(_open(located, mode, _level_number(located, level)), located)


def _open(uri: Uri, mode: Mode, level: int) -> Source:
    if mode not in get_args(Mode):
        raise InvalidInput(
            f"mode is {describe_value(mode)}; expected 'r' (read) or 'r+' (read and write); voxome.create makes volumes"
        )
    plain, view = split_view(uri)
    if view and mode != "r":
        raise ReadOnly(f"{uri} is a view, which is only read; open {plain} to write")
    source = _open_plain(plain, mode, level)
    if not view:
        return source
    volume = _volume(source, uri)
    refuse_labels(volume.spec, view, str(plain))
    return apply_view(volume, view, str(plain))


def _open_plain(uri: Uri, mode: Mode, level: int) -> Source:
    store = remote_of(uri)
    try:
        return _open_stored(store, uri, mode, level)
    except NotFound:
        if isinstance(store, SupportsMarkerFiles) and "://" in uri.path:
            _require_folder(uri)
        raise


def _open_stored(store: Remote, uri: Uri, mode: Mode, level: int) -> Source:
    if level and isinstance(store, SupportsOpenLevel):
        return store.open_level(uri, level, mode=mode)
    source = store.open(uri, mode=mode)
    return _at_level(_volume(source, uri), uri, level) if level else source


def _volume(source: Source, uri: Uri) -> VolumeSource:
    if isinstance(source, VolumeSource):
        require_numbers(uri, source.spec.dtype)
        return source
    raise _unexpected(source, uri, Volume)


def require_numbers(uri: Uri, dtype: np.dtype[Any]) -> None:
    """Refuse voxels that are no numbers.

    Raises
    ------
    UnsupportedFormat
    """
    if dtype.kind not in "biuf":
        raise UnsupportedFormat(f"{uri}: voxels of {dtype} are not supported; expected booleans, integers or floats")


def _kind_of(source: Source) -> tuple[type[Any], str]:
    return next(names for protocol, names in _RESOURCES.items() if isinstance(source, protocol))


def _unexpected(source: Source, uri: Uri, expected: type[Any]) -> InvalidInput:
    noun = next(noun for resource, noun in _RESOURCES.values() if resource is expected)
    found, was = _kind_of(source)[1], "was" if expected is Volume else "were"
    return InvalidInput(f"{uri} holds {found}; {noun} {was} expected: give the address of {noun}")


def _level_number(uri: Uri, level: int | None = None) -> int:
    """Return `level`, or else that of ``?level=``, or else 0."""
    query = uri.query.get("level")
    if level is not None or query is None:
        return require_count("level", level or 0, 0)
    if not (query.isascii() and query.isdecimal()):
        raise InvalidUri(f"{uri}: level {query!r} is not a number; write ?level=2")
    return int(query)


def _at_level(source: VolumeSource, uri: Uri, level: int) -> VolumeSource:
    pyramid = ability(source, SupportsLevels)
    require_level(str(uri), level, 1 if pyramid is None else len(pyramid.levels))
    return source if pyramid is None else pyramid.level(level)


@overload
def open(uri: Location, *, expect: type[R], mode: Mode = "r", level: int | None = None) -> R: ...


@overload
def open(uri: Location, *, mode: Mode = "r", level: int) -> Volume: ...


@overload
def open(uri: Location, *, mode: Mode = "r", level: None = None) -> Resource: ...


@explain_calls
def open(uri: Location, *, expect: type[Any] | None = None, mode: Mode = "r", level: int | None = None) -> Resource:
    """Open a volume, or meshes, skeletons or points.

    Parameters
    ----------
    uri : str or path
        ``scheme://…``, ``dataset:NAME`` of the registry of public data, or a bare path that is recognised by its
        content (``FILE.h5/volumes/raw`` included). It may end in ``?level=2``, and in options of a view, as
        ``?c=1&window=0.5%:99.5%``; see ``docs/stores.md``.
    expect : {Volume, Meshes, Skeletons, Points}, optional
        Class of the result; anything else is an error. It also tells a type checker what is returned.
    mode : {"r", "r+"}
        Read only, or read and write.
    level : int, optional
        Level of a volume's pyramid; 0 is the finest.

    Returns
    -------
    Volume, Meshes, Skeletons or Points
        Depending on what the URI holds; nothing is read yet.

    Raises
    ------
    InvalidInput
        If the URI does not hold what `expect` or `level` asks for.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri

    Examples
    --------
    >>> import numpy as np, voxome
    >>> volume = voxome.create("memory://example", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> volume[1] = 7
    >>> int(voxome.open("memory://example")[:, 2, -1].sum())
    7
    """
    if expect is not None and expect not in [resource for resource, _ in _RESOURCES.values()]:
        raise InvalidInput(f"expect is {describe_value(expect)}; expected voxome.Volume, Meshes, Skeletons or Points")
    located = locate(uri, level=level)
    source = _open(located, mode, _level_number(located, level))
    resource = _kind_of(source)[0]
    expected = expect or (Volume if level is not None else resource)
    if resource is not expected:
        raise _unexpected(source, located, expected)
    if resource is Volume:
        text = located.reveal()
        other = level is not None and (level or "level" in located.query)
        return Volume(_volume(source, located), with_options(text, level=level) if other else text)
    return cast("Resource", resource(source, str(located)))
