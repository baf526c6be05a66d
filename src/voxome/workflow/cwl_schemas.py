"""The schemas of CWL, kept between processes: cwltool takes half a second to make them of their texts."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

_TYPES = {
    "SCHEMA_ANY": "https://w3id.org/cwl/salad#Any",
    "SCHEMA_FILE": "https://w3id.org/cwl/cwl#File",
    "SCHEMA_DIR": "https://w3id.org/cwl/cwl#Directory",
}
"""Names in `cwltool.process` → types of CWL v1.0."""
_log = logging.getLogger(__name__)


@contextmanager
def kept_schemas() -> Iterator[None]:
    """Give cwltool the schemas that an earlier process has kept, and keep those that it makes meanwhile.

    They are in this user's cache folder, for the installed versions of what makes them; a file that somebody else may
    write is not read.
    """
    from cwltool import process

    path = Path(platformdirs.user_cache_dir("voxome")) / f"cwl-schemas-{_key()}.pickle"
    kept = {} if process.SCHEMA_CACHE else _read(path)
    _adopt(kept)
    known = set(process.SCHEMA_CACHE)
    try:
        yield
    finally:
        if set(process.SCHEMA_CACHE) - known and not _read(path).keys() >= set(process.SCHEMA_CACHE):
            _write(path)


def _adopt(kept: dict[str, Any]) -> None:
    from cwltool import process
    from schema_salad.ref_resolver import Loader

    for version, value in kept.items():
        if version in _TYPES:
            setattr(process, version, value)
        else:
            context, texts, names, metadata = value
            process.SCHEMA_CACHE[version] = (Loader(context, cache=texts), names, metadata, Loader({}))


def _write(path: Path) -> None:
    from cwltool import process

    from voxome.storage.atomic import swapping

    kept: dict[str, Any] = {name: getattr(process, name) for name in _TYPES}
    for version, (loader, names, metadata, _) in process.SCHEMA_CACHE.items():
        kept[version] = (loader.ctx, loader.cache, names, metadata)
    if None in kept.values() or any(
        isinstance(value, tuple) and isinstance(value[2], Exception) for value in kept.values()
    ):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with swapping(path) as partial:
            partial.touch(mode=0o600)
            partial.write_bytes(pickle.dumps(kept))
    except (OSError, pickle.PicklingError) as error:
        _log.debug("The schemas of CWL cannot be kept in %s: %s", path, error)


def _read(path: Path) -> dict[str, Any]:
    """Return what is kept in a file of this user, nothing if it is damaged."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return {}
            kept: dict[str, Any] = pickle.load(file)  # noqa: S301 - written by this user
    except FileNotFoundError:
        return {}
    except Exception as error:  # pickle raises whatever it meets
        _log.debug("%s is not used: %s", path, error)
        return {}
    return kept


def _key() -> str:
    """Return a digest of what makes schemas."""
    from cwltool import process
    from ruamel import yaml
    from schema_salad import schema
    from schema_salad.avro import schema as avro

    files = [Path(str(module.__file__)) for module in (process, yaml, schema, avro)]
    states = [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return hashlib.sha256(repr((sys.version, states)).encode()).hexdigest()[:16]
