"""What of this machine a relay serves: none of its own files, and nothing by two names with other readers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.relay.config import RelayConfig
from voxome.relay.origin import Origin
from voxome.relay.rights import Rights
from voxome.services.proofreading.database import parse_store

_IN_MEMORY = "memory"


def check_served_folders(config: RelayConfig, file: Path | None) -> None:
    """Check that clients reach nothing through a store or source that they may not read.

    Parameters
    ----------
    config : RelayConfig
        Names stores and sources; those on this machine exist.
    file : Path or None
        Where the configuration is.

    Raises
    ------
    InvalidInput
        If a store or source has files of the relay, a store is in another, or a source in a store has other readers.
    """
    stores = {f"stores.{name}": one.folder.resolve() for name, one in config.stores.items()}
    sources = {f"sources.{name}": path for name, path in _local_sources(config)}
    own = {key: path.resolve() for key, path in _own_files(config, file)}
    for name, path in {**stores, **sources}.items():
        for key, kept in own.items():
            if _overlap(path, kept):
                raise InvalidInput(
                    f"{name}: {path} would serve files of the relay, {key} is {kept}; keep them in separate folders"
                )
    names = list(stores)
    for number, name in enumerate(names):
        for other in names[:number]:
            if _overlap(stores[name], stores[other]):
                raise InvalidInput(
                    f"{other} and {name}: {stores[other]} and {stores[name]} have files in common, which would have "
                    "the readers of both; give them separate folders"
                )
    for name, path in sources.items():
        for store, folder in stores.items():
            rights, others = _rights(config, name), _rights(config, store)
            if path.is_relative_to(folder) and rights.readers != others.readers:
                raise InvalidInput(
                    f"{name}: {path} is in the folder of {store}, which has other readers; give both the same readers"
                )


def _local_sources(config: RelayConfig) -> Iterator[tuple[str, Path]]:
    """Yield sources and the files or folders in which they are."""
    for name, source in config.sources.items():
        if source.recipe is None and source.uri is not None and Uri.parse(source.uri).scheme != _IN_MEMORY:
            origin = Origin(source.uri)
            if origin.is_at_hand:
                yield name, Path(origin.place)


def _own_files(config: RelayConfig, file: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield keys and what is for the relay only; the journal is in the folder of the cache."""
    catalogue = config.catalogue or os.environ.get(config.catalogue_env or "", "").strip()
    if catalogue and "://" not in catalogue:
        yield "catalogue", Path(catalogue)
    elif catalogue and (database := parse_store(catalogue)).get_backend_name() == "sqlite":
        yield "catalogue", Path(str(database.database))
    if config.data is not None:
        yield "data", config.data
    if config.cache.folder is not None:
        yield "cache.folder", config.cache.folder
    if config.log.access not in (None, "-"):
        yield "log.access", Path(str(config.log.access))
    if config.tls is not None:
        yield "tls.key", config.tls.key
    if file is not None:
        yield "the configuration", file


def _rights(config: RelayConfig, key: str) -> Rights:
    table, _, name = key.partition(".")
    return config.stores[name].rights if table == "stores" else config.sources[name].rights


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
