"""Storage paths by URI or address."""

from __future__ import annotations

from dataclasses import replace

from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri, ReadOnly, UnknownName, UnsupportedFormat
from voxome.redaction import redact
from voxome.registry import load, targets
from voxome.storage.local import LocalPath
from voxome.storage.path import StoragePath

GROUP = "voxome.storage"
"""Registry group: scheme of an address → its class of storage path."""

GENERAL = ("level",)
"""Options of a URI that mean the same in every store, and are not passed to it."""


def storage_path(uri: Uri, *, writing: bool = False) -> StoragePath:
    """Return the storage path of a URI, with the options of its query.

    Parameters
    ----------
    uri : Uri
        ``zarr:///data/a.zarr``, ``n5://https://host/a.n5/raw``, ``precomputed://s3://bucket/a?region=us-east-1`` …
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
    scheme, mark, _ = uri.path.removeprefix("file://").partition("://")
    if mark and scheme not in targets(GROUP):
        known = ", ".join(f"{one}://" for one in targets(GROUP))
        raise UnsupportedFormat(f"{redact(uri.path)}: {scheme}:// is not supported; use a local path, or {known}")
    path_class: type[StoragePath] = load(GROUP, scheme) if mark else LocalPath
    options = {name: value for name, value in uri.query.items() if name not in GENERAL}
    for name in options:
        if name not in path_class.known:
            raise UnknownName.of(f"{scheme if mark else 'local'} storage option", name, (*GENERAL, *path_class.known))
    if options.get("missing", "403") != "403":
        raise InvalidUri(f"{uri}: missing={options['missing']} is not supported; only missing=403 is")
    found = path_class(uri.path.rstrip("/") if mark else str(uri.local_path), options)
    if writing and not found.writable:
        raise ReadOnly(f"{uri} is behind http, which is read-only; write to a local folder, s3:// or gs://")
    return found


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
