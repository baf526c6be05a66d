"""Storage paths by URI or address."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from voxome.contracts.uri import LEVEL, VIEW_OPTIONS, Uri, require_options
from voxome.errors import InvalidUri, ReadOnly, UnsupportedFormat
from voxome.redaction import redact
from voxome.registry import load, targets
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath
from voxome.storage.zips import ZipPath

GROUP = "voxome.storage"
"""Registry group: scheme of an address → its class of storage path."""

_ADAPTER = re.compile(r"\|(?=[a-z][a-z0-9_-]*:)")


def storage_path(uri: Uri, *, writing: bool = False) -> StoragePath:
    """Return the storage path of a URI, with the options of its query.

    Parameters
    ----------
    uri : Uri
        ``zarr:///data/a.zarr``, ``n5://https://host/a.n5/raw``, ``precomputed://s3://bucket/a?region=us-east-1`` …
        A folder in a zip is ``PATH|zip:FOLDER``.
    writing : bool
        Whether it will be written.

    Raises
    ------
    UnsupportedFormat
        If the store does not exist.
    InvalidUri, UnknownName
        If the store has no such option.
    ReadOnly
        If it will be written, and cannot be.
    """
    head, *inside = _ADAPTER.split(uri.path)
    if inside and Path(uri.local_path).exists():
        head, inside = uri.path, []
    found = _plain_path(replace(uri, path=head), str(uri))
    for part in inside:
        adapter, _, inner = part.partition(":")
        if adapter != "zip":
            raise UnsupportedFormat(f"{uri}: |{adapter}: is not supported; only |zip: is supported")
        found = ZipPath(found, inner)
    return require_writable(found, str(uri)) if writing else found


def require_writable(path: StoragePath, name: str) -> StoragePath:
    """Return `path` if it can be written; `name` stands for it in the message.

    Raises
    ------
    ReadOnly
        If it cannot.
    """
    if not path.writable:
        raise ReadOnly(f"{name} {path.read_only_because}; write to a local folder, s3:// or gs://")
    return path


def _plain_path(uri: Uri, name: str) -> StoragePath:
    scheme, mark, _ = uri.path.partition("://")
    if mark and scheme not in targets(GROUP):
        known = ", ".join(f"{one}://" for one in targets(GROUP))
        raise UnsupportedFormat(f"{redact(uri.path)}: {scheme}:// is not supported; use a local path, or {known}")
    path_class: type[StoragePath] = load(GROUP, scheme) if mark else LocalPath
    options = {option: value for option, value in uri.query.items() if option != LEVEL}
    require_options(replace(uri, query=options), path_class.known, f"{scheme if mark else 'local'} storage")
    if view := [option for option in options if option in VIEW_OPTIONS]:
        raise InvalidUri(f"{name}: ?{view[0]}= opens a view of a volume; leave it out where no volume is opened")
    if options.get("missing", "403") != "403":
        raise InvalidUri(f"{name}: missing={options['missing']} is not supported; only missing=403 is")
    return path_class(uri.path.rstrip("/") if mark else str(uri.local_path), options)


def storage_options(uri: Uri) -> tuple[str, ...]:
    """Return the names of the options that the storage of a URI has."""
    scheme, mark, _ = uri.path.partition("://")
    if not mark or scheme not in targets(GROUP):
        return LocalPath.known
    path_class: type[StoragePath] = load(GROUP, scheme)
    return path_class.known


def storage_at(address: str, *, writing: bool = False) -> StoragePath:
    """Return the path that an address without a format names: ``/data/run``, ``s3://bucket/prefix?endpoint=…``.

    Raises
    ------
    UnsupportedFormat, InvalidUri, UnknownName, ReadOnly
        As `storage_path`.
    """
    uri = Uri.parse(address)
    return storage_path(
        replace(uri, scheme="", path=f"{uri.scheme}://{uri.path}" if uri.scheme else uri.path), writing=writing
    )
