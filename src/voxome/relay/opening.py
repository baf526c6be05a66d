"""A relay and its application, opened from a configuration by each of its processes."""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.applications import Starlette

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, NotFound, RunLocked
from voxome.redaction import redact
from voxome.relay.access_log import open_log
from voxome.relay.accounts import PUBLIC, Accounts
from voxome.relay.app import create_app
from voxome.relay.box_locks import SharedBoxLocks
from voxome.relay.cache.chunk_cache import ChunkCache
from voxome.relay.cache.counters import SourceCounters, open_counters
from voxome.relay.cache.disk import INDEX_FILE, DiskTier
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.index import DiskIndex
from voxome.relay.cache.leases import Leases
from voxome.relay.cache.memory import MemoryTier
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.catalogue.sql import SqlCatalogue
from voxome.relay.collections import Collections
from voxome.relay.config import CacheConfig, RelayConfig, SourceConfig, TlsConfig
from voxome.relay.dialect import open_dialects
from voxome.relay.file_locks import claimed_file, locked_file
from voxome.relay.index import Index
from voxome.relay.operation import Operation
from voxome.relay.origin import Origin, is_edited
from voxome.relay.processes import ProcessTable
from voxome.relay.rates import RateTable
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.secrets import digest
from voxome.relay.served_folders import check_served_folders
from voxome.relay.sources import Sources
from voxome.relay.token_services import open_token_services
from voxome.relay.virtual.adding import add_sources
from voxome.relay.virtual.slots import ComputeSlots
from voxome.relay.writes.flusher import LEASE_FILE, Flusher
from voxome.relay.writes.journal import Journal, journal_folder, recover
from voxome.relay.writes.operate import GENERATIONS_FILE
from voxome.resources.open import bare_address, locate, open, open_source
from voxome.resources.recognition import get_remote
from voxome.resources.shapes import Points

_LOG = logging.getLogger(__name__)
_MIB = 2**20
_PATTERN = re.compile(r"[*?\[]")
"""What a path has that is the pattern of several files."""
_RATES = "rates"
"""File in the cache folder with what callers have used of their rates."""
_PROCESSES_FILE = "processes"


@dataclass(frozen=True)
class SharedConfig:
    """What all processes of a relay have in common.

    Attributes
    ----------
    config : RelayConfig
        Its configuration.
    instance : str
        Its id, by which it recognises its own requests.
    """

    config: RelayConfig
    instance: str


@contextmanager
def prepared(config: RelayConfig, file: Path | None = None) -> Iterator[SharedConfig]:
    """Yield the configuration with an id and all folders that its processes share, locked against other relays.

    Parameters
    ----------
    config : RelayConfig
        All about the relay.
    file : Path, optional
        Where the configuration is.

    Raises
    ------
    RunLocked
        If another relay uses the cache folder.
    NotFound, UnknownName, InvalidInput
        If a volume on this machine does not exist, or a URI cannot be one of a volume, or several processes would write
        a volume of which only one can, or clients would reach files that are not for them.
    """
    for name, source in config.sources.items():
        if source.recipe is None:
            with _naming(f"sources.{name}"):
                _check_source(name, source, config.workers)
    for name, collection in config.annotations.items():
        with _naming(f"annotations.{name}"):
            _check_annotations(collection.uri)
    check_served_folders(config, file)
    _check_layers(config)
    _check_certificate(config.tls)
    if config.data is not None and config.data.exists() and not config.data.is_dir():
        raise InvalidInput(f"data: {config.data} is no folder; give another one")
    _warn_of_writers(config)
    with ExitStack() as stack:
        has_catalogue = config.catalogue is not None or config.catalogue_env is not None
        if config.workers > 1 and (config.cache.folder is None or not has_catalogue):
            shared = Path(stack.enter_context(TemporaryDirectory(prefix="voxome-relay-")))
            cache = config.cache.model_copy(update={"folder": config.cache.folder or shared / "cache"})
            records = {} if has_catalogue else {"catalogue": str(shared / "catalogue.sqlite"), "data": shared / "data"}
            config = config.model_copy(update={"cache": cache, **records})
        if config.cache.folder is not None:
            stack.enter_context(_locked(config.cache.folder))
            with suppress(sqlite3.Error):  # which the processes report, or mend
                DiskIndex(config.cache.folder / INDEX_FILE).close()
            recover(journal_folder(config.cache.folder))
            for name in ("counters", _RATES, _PROCESSES_FILE):
                (config.cache.folder / name).unlink(missing_ok=True)
            if config.limits.has_rates:
                RateTable(config.cache.folder / _RATES)
            if config.sources or config.stores:
                open_counters(config.cache.folder / "counters", len(config.sources) + len(config.stores))
        yield SharedConfig(config, secrets.token_hex(8))


@contextmanager
def opened(shared: SharedConfig) -> Iterator[Starlette]:
    """Yield the application of one process of a relay; at the end everything is closed.

    Raises
    ------
    InvalidInput, StoreError
        If the configuration names something that does not exist, or a folder cannot be used.
    """
    config = shared.config
    with ExitStack() as stack:
        records = stack.enter_context(closing(_open_catalogue(config)))
        cache, processes = _open_cache(config.cache, config.workers)
        stack.enter_context(closing(cache))
        folder = config.cache.folder
        locks = SharedBoxLocks(None if folder is None else folder / "boxes")
        journal = stack.enter_context(_open_journal(config, cache))
        entering = None if journal is None else SharedBoxLocks(journal.folder / "boxes")
        sources = Sources(cache, locks, journal, entering, slots=_compute_slots(config))
        count = len(config.sources) + len(config.stores)
        table = None if folder is None or not count else open_counters(folder / "counters", count)
        process = cache.generations.process
        counters = [SourceCounters(None if table is None else table[number], process) for number in range(count)]
        of_source = dict(zip(config.sources, counters, strict=False))
        of_store = dict(zip(config.stores, counters[len(of_source) :], strict=True))
        for name, store in config.stores.items():
            sources.add_store(name, store.folder, store.rights, of_store[name], uploads_days=store.uploads_days)
        add_sources(sources, config, of_source.__getitem__)
        collections = Collections()
        for name, one in config.annotations.items():
            collections.add(name, one.uri, Rights(frozenset(one.readers)))
        root = "memory://relay" if config.data is None else f"zarr://{config.data.absolute()}"
        others = open_token_services(config.token_services)
        accounts = Accounts(records, admins(config.admin_token_env), others.caller)
        largest = config.largest_cutout_mib * _MIB
        names = {name: source.boss for name, source in config.sources.items() if source.boss is not None}
        relay = Relay(
            records, accounts, root, sources, largest, dialect_names={"boss": names}, locks=locks,
            collections=collections,
        )  # fmt: skip
        with _one_at_a_time(folder):
            dialects = open_dialects(relay, config.dialects)
        if journal is not None:
            flusher = Flusher(journal, journal.folder / LEASE_FILE, sources.replay())
            stack.callback(flusher.close)
            flusher.start()
        operation = Operation(relay, cache, processes)
        access, format = config.log.access, config.log.format
        log = None if access is None else stack.enter_context(open_log(access, format))
        app = create_app(
            [Index(), operation, *dialects],
            allow_origins=config.allow_origins, frame_ancestors=config.frame_ancestors,
            instance=shared.instance, log=log,
            limits=config.limits.shared_by(config.workers),
            rates=RateTable(folder / _RATES) if folder is not None and config.limits.has_rates else None,
            prefix=config.prefix,
        )  # fmt: skip
        app.state.stopping = relay.stopping
        yield app


def _open_catalogue(config: RelayConfig) -> Catalogue:
    address = config.catalogue
    if config.catalogue_env is not None:
        address = os.environ.get(config.catalogue_env, "").strip()
        if not address:
            expected = "set it to a file, or the address of a database"
            raise InvalidInput(f"the environment variable {config.catalogue_env} is not set; {expected}")
    return MemoryCatalogue() if address is None else SqlCatalogue.at(address)


def admins(variable: str | None) -> dict[str, str]:
    """Return the digest of the admin's token, which is in the environment variable `variable`.

    Raises
    ------
    InvalidInput
        If the variable is not set.
    """
    if variable is None:
        return {}
    token = os.environ.get(variable, "").strip()
    if not token:
        raise InvalidInput(f"the environment variable {variable} is not set; set it to the admin's token")
    return {digest(token): "admin"}


def _check_source(name: str, source: SourceConfig, workers: int) -> None:
    """Raise what is wrong with a source, as far as it is known without a network."""
    address = source.uri or ""
    uri = _locate(address)
    _require_on_disk(uri, address)
    is_here = ":" not in uri.path and not Origin(address).is_remote
    if (
        workers > 1
        and source.writers
        and is_here
        and not is_edited(address)
        and not open_source(address).concurrent_writers
    ):
        raise InvalidInput(
            f"{name} can be written by one process only; use workers = 1, no writers, or another format, as zarr"
        )


def _check_annotations(address: str) -> None:
    """Raise what is wrong with a collection, as far as it is known without a network."""
    if _require_on_disk(_locate(address), address):
        open(address, expect=Points)


def _require_on_disk(uri: Uri, address: str) -> bool:
    """Return whether something is in files of this machine; raise an error if these are missing.

    What is inside a file, as of HDF5, and the files of a pattern are looked for when they are opened.
    """
    origin = Origin(address)
    if uri.scheme == "memory" or not origin.is_at_hand:
        return False
    path = Path(origin.place)
    is_part = _PATTERN.search(origin.place) is not None or any(one.is_file() for one in path.parents)
    if not path.exists() and not is_part:
        raise NotFound(f"{redact(address)} does not exist")
    return True


def _locate(address: str) -> Uri:
    """Return the URI of what is served; what is missing on this machine is NotFound."""
    uri = Uri.parse(address)
    if uri.scheme and bare_address(uri) is None:
        get_remote(uri.scheme)
    return locate(address) if not uri.scheme and ":" not in uri.path else uri


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Put the key of the configuration before the message of what is missing or wrong."""
    try:
        yield
    except NotFound as error:
        raise NotFound(f"{key}: {error}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{key}: {error}") from error


def _check_layers(config: RelayConfig) -> None:
    """Raise why a virtual layer cannot be computed, as far as it is known without a network."""
    sources = Sources()
    unwritten = {name: one.model_copy(update={"write": "through"}) for name, one in config.sources.items()}
    add_sources(sources, config.model_copy(update={"sources": unwritten}))
    sources.check_local_layers()


def _warn_of_writers(config: RelayConfig) -> None:
    """Log what nobody can write, since there are no tokens."""
    has_tokens = config.admin_token_env or config.catalogue or config.catalogue_env or config.token_services
    writers = {name: one.writers for table in (config.sources, config.stores) for name, one in table.items()}
    names = [name for name, groups in writers.items() if groups and PUBLIC not in groups]
    if names and not has_tokens:
        _LOG.warning(
            "nobody can write %s: this relay has no tokens; give admin_token_env, or catalogue and data",
            ", ".join(names),
        )


def _check_certificate(tls: TlsConfig | None) -> None:
    """Raise why nothing can be served with a certificate."""
    if tls is None:
        return
    for key, file in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise InvalidInput(f"tls.{key}: {file} cannot be read: {error.strerror}; give a file in PEM") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except ssl.SSLError as error:
        raise InvalidInput(
            f"tls.certificate {tls.certificate} and tls.key {tls.key} are no certificate and its key, in PEM: "
            f"{error.reason or error}"
        ) from error


def _compute_slots(config: RelayConfig) -> ComputeSlots:
    """Return the part of the bound on computations that one process has."""
    threads = ComputeSlots(config.compute_threads).threads // config.workers
    return ComputeSlots(max(1, threads), config.compute_memory_mib * _MIB // config.workers)


def _open_cache(config: CacheConfig, workers: int) -> tuple[ChunkCache, ProcessTable]:
    budget = config.memory_mib * _MIB // workers
    if config.folder is None:
        processes = ProcessTable()
        return ChunkCache(MemoryTier(budget, processes.gauge), Generations()), processes
    generations = Generations(config.folder / GENERATIONS_FILE)
    processes = ProcessTable(config.folder / _PROCESSES_FILE, generations.process)
    memory = MemoryTier(budget, processes.gauge)
    disk = DiskTier(config.folder, config.disk_mib * _MIB, generations.process)
    return ChunkCache(memory, generations, disk, Leases(config.folder / "leases")), processes


@contextmanager
def _open_journal(config: RelayConfig, cache: ChunkCache) -> Iterator[Journal | None]:
    """Yield the journal of writes; None where there are none and will be none."""
    folder = None if config.cache.folder is None else journal_folder(config.cache.folder)
    if folder is None or not (folder.is_dir() or any(one.write == "back" for one in config.sources.values())):
        yield None
        return
    process, make_room = cache.generations.process, (lambda _: None) if cache.disk is None else cache.disk.make_room
    with closing(Journal(folder, config.cache.write_mib * _MIB, process, make_room)) as journal:
        yield journal


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is cached is for those with rights
    except OSError as error:
        raise InvalidInput(f"cache.folder: {folder} cannot be used: {error.strerror}; give another folder") from error
    with claimed_file(folder / "relay.lock") as is_ours:
        if not is_ours:
            raise RunLocked(f"another relay uses the cache in {folder}; stop it, or use another folder")
        yield


@contextmanager
def _one_at_a_time(folder: Path | None) -> Iterator[None]:
    """Let the processes of a relay enter the context one after the other: dialects write records when they start."""
    with nullcontext() if folder is None else locked_file(folder / "start.lock"):
        yield
