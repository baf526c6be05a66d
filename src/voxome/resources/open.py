"""Open and create volumes by URI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from voxome.contracts.abilities import (
    SupportsConnect,
    SupportsCreate,
    SupportsLevels,
    SupportsMarkerFiles,
    SupportsRecognise,
    ability,
)
from voxome.contracts.source import Mode, Remote, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri, NotFound, UnsupportedFormat
from voxome.registry import load, targets
from voxome.resources.volume import Volume
from voxome.storage.find import GROUP, storage_path
from voxome.storage.local import local_path


def remote(scheme: str) -> Remote:
    """The remote of `scheme`.

    Raises
    ------
    UnknownName
        If there is none.
    """
    made: Remote = load("voxome.remotes", scheme)()
    return made


def locate(text: str) -> Uri:
    """The URI that `text` means: a bare path or address is recognised by its content, ``dataset:NAME`` looked up.

    Raises
    ------
    NotFound
        If nothing is at a bare path or address.
    UnsupportedFormat
        If no format recognises what is there.
    """
    uri = Uri.parse(text)
    if uri.scheme in targets(GROUP):
        return _recognised(replace(uri, scheme="", path=f"{uri.scheme}://{uri.path}"))
    if uri.scheme not in ("", "file"):
        return uri
    prefix, colon, name = uri.path.partition(":")
    if colon and prefix in targets("voxome.resolvers"):
        meant = Uri.parse(load("voxome.resolvers", prefix)(name))
        return replace(meant, query={**meant.query, **uri.query})
    for scheme in targets("voxome.remotes"):
        one = remote(scheme)
        if isinstance(one, SupportsRecognise) and one.recognises(uri.path):
            return Uri(scheme, uri.path, uri.query)
    if not any(part.exists() for part in (Path(uri.path), *list(Path(uri.path).parents)[:-1])):
        raise NotFound(f"there is nothing at {uri.path}; give a path that exists, or a URI such as zarr://PATH")
    if not Path(uri.path).exists():
        raise NotFound(f"there is no {uri.path}, nor does it lie inside a file that voxome reads")
    raise UnsupportedFormat(
        f"what lies at {uri.path} is of no format that voxome recognises; name one, such as zarr://{uri.path}"
    )


def _recognised(uri: Uri) -> Uri:
    """The URI of what lies at a bare address, by the files that each format is known by, all asked for at once."""
    formats = {scheme: remote(scheme) for scheme in targets("voxome.remotes")}
    marks = {scheme: one.marker_files for scheme, one in formats.items() if isinstance(one, SupportsMarkerFiles)}
    keys = [key for names in marks.values() for key in names]
    place = storage_path(uri)
    found = dict(zip(keys, place.read_all(keys), strict=True))
    for scheme, names in marks.items():
        if any((found[key] or b"").lstrip().startswith(b"{") for key in names):
            return replace(uri, scheme=scheme)
    raise NotFound(f"{uri}: none of {', '.join(keys)} is there; give the address of a volume, as zarr://{uri}")


def absolute(uri: Uri) -> Uri:
    """`uri` as it holds in any working directory: the path of local files whole."""
    if "://" in uri.path or not isinstance(remote(uri.scheme), SupportsRecognise):
        return uri
    return replace(uri, path=str(local_path(uri.path)))


def open_source(uri: str, *, mode: Mode = "r", level: int | None = None) -> VolumeSource:
    """The source behind `uri`, at `level` of its pyramid if one is asked for (or named by ``?level=``)."""
    located = locate(uri)
    source = remote(located.scheme).open(located, mode=mode)
    asked = located.query.get("level")
    if level is None and asked is not None:
        if not asked.isdigit():
            raise InvalidUri(f"{uri}: level {asked!r} is no number; write ?level=2")
        level = int(asked)
    if not level:
        return source
    pyramid = ability(source, SupportsLevels)
    if pyramid is None or level >= len(pyramid.levels):
        count = 1 if pyramid is None else len(pyramid.levels)
        raise NotFound(f"{located} has no level {level}: its levels are 0 to {count - 1}")
    return pyramid.level(level)


def open(uri: str, *, mode: Mode = "r", level: int | None = None) -> Volume:
    """Open a volume.

    Parameters
    ----------
    uri : str
        ``scheme://…``, ``dataset:NAME`` of the registry of public data, or a bare path that is recognised by its
        content (``FILE.h5/volumes/raw`` included). It may end in ``?level=2``.
    mode : {"r", "r+"}
        Read only, or read and write.
    level : int, optional
        Of its pyramid; 0 is the finest.

    Returns
    -------
    Volume
        numpy-like; nothing is read yet.

    Raises
    ------
    NotFound, UnsupportedFormat, UnknownName, InvalidUri

    Examples
    --------
    >>> import numpy as np, voxome
    >>> made = voxome.create("memory://example", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> made[1] = 7
    >>> int(voxome.open("memory://example")[:, 2, -1].sum())
    7
    """
    return Volume(open_source(uri, mode=mode, level=level), str(locate(uri)))


def connect(uri: str) -> Any:
    """The store's own face: projects and permissions of a BossDB, versions and labels of a DVID.

    Parameters
    ----------
    uri : str
        As ``bossdb://https://host``, ``dvid://host:port`` or ``dvid://host:port/uuid``.

    Raises
    ------
    UnsupportedFormat
        If the store has nothing but volumes.
    """
    parsed = Uri.parse(uri)
    one = remote(parsed.scheme)
    if not isinstance(one, SupportsConnect):
        raise UnsupportedFormat(f"{parsed.scheme or 'a path'}:// has nothing to connect to; open its volumes")
    return one.connect(parsed)


def create_source(uri: str, spec: VolumeSpec) -> VolumeSource:
    """Make an array and open its source for writing."""
    located = Uri.parse(uri)
    if located.scheme in ("", "file", *targets(GROUP)):
        raise InvalidUri(f"to create {located}, say in which format: zarr://{located}, n5://{located}, …")
    one = remote(located.scheme)
    if not isinstance(one, SupportsCreate):
        raise UnsupportedFormat(f"{located.scheme}:// volumes cannot be created")
    return one.create(located, spec)


def create(uri: str, spec: VolumeSpec, **changes: Any) -> Volume:
    """Make a volume and open it for writing.

    Parameters
    ----------
    uri : str
        ``scheme://…``; nothing may be stored there.
    spec : VolumeSpec
        Its shape and meaning.
    **changes
        Fields of the spec to change.

    Raises
    ------
    AlreadyExists
        If something is stored there.
    UnsupportedFormat
        If the format cannot hold such a volume.
    """
    return Volume(create_source(uri, spec.replace(**changes)), uri)
