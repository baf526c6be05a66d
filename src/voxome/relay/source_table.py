"""What a relay serves: sources, virtual layers and stores by name, and their versions and variants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from voxome.contracts.abilities import ability
from voxome.contracts.source import VolumeSource
from voxome.errors import AlreadyExists, InvalidInput, NotFound
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.generations import Generations
from voxome.relay.cache.states import SourceStates
from voxome.relay.caching import CACHE_REMOTE, Caching
from voxome.relay.rights import PUBLIC_READ, Rights, shared_rights
from voxome.relay.source_entry import ReadableSource, SourceEntry
from voxome.relay.source_names import base_name, check_source_name, is_source_name, key_in, split_variant, split_version
from voxome.relay.source_reads import SourceReader
from voxome.relay.source_versions import SourceVersions
from voxome.relay.stores.store import UPLOADS_DAYS, Store
from voxome.relay.stores.volumes import StoreVolumes
from voxome.relay.upstream import Upstream
from voxome.relay.virtual.recipe import Recipe, check_recipe, naming_input
from voxome.relay.virtual.slots import ComputeSlots
from voxome.relay.virtual.upstream import VirtualUpstream
from voxome.relay.writes.write_back import WriteBack


class SourceTable:
    """Sources by name. Its methods may be called from several threads once all are added.

    Parameters
    ----------
    generations : Generations
        By which all processes see what has changed.
    states : SourceStates
        States of sources, shared with the other processes.
    reader : SourceReader
        Reads the inputs of virtual layers.
    writes : WriteBack or None
        The journal of sources with `write_back`.
    slots : ComputeSlots
        Bound on what is computed at the same time for virtual layers.
    """

    def __init__(
        self,
        generations: Generations,
        states: SourceStates,
        reader: SourceReader,
        writes: WriteBack | None,
        slots: ComputeSlots,
    ) -> None:
        self._generations, self._states = generations, states
        self._reader, self._writes, self._slots = reader, writes, slots
        self._upstreams: dict[str, Upstream] = {}
        self._layers: dict[str, VirtualUpstream] = {}
        self._addresses: list[Upstream] = []
        self._stores: dict[str, StoreVolumes] = {}
        self._store_counters: dict[str, SourceCounters] = {}
        self._versions = SourceVersions(states)

    def add(
        self,
        name: str,
        source: str | ReadableSource,
        rights: Rights = PUBLIC_READ,
        caching: Caching = CACHE_REMOTE,
        counters: SourceCounters | None = None,
        *,
        write_back: bool = False,
    ) -> None:
        """Serve `source` as `name`.

        Parameters
        ----------
        name : str
            Parts of letters, digits, ``_``, ``-`` and ``.``, separated by ``/``.
        source : str or ReadableSource
            A URI, opened when it is first used, or an object with `spec` and `read`.
        rights : Rights
            Who may read and write it.
        caching : Caching
            How it is cached, if there is a cache.
        counters : SourceCounters, optional
            Counters of its reads.
        write_back : bool
            Whether writes are confirmed when they are in the journal, before the store has them.

        Raises
        ------
        InvalidInput
            If the name is invalid, an object that cannot be written has writers, or there is no journal to write back
            from.
        AlreadyExists
            If another source has this name.
        """
        self._require_new(name)
        if rights.writers and not (isinstance(source, str) or ability(source, VolumeSource) is not None):
            raise InvalidInput(f"the source {name} cannot be written; leave out its writers")
        if write_back and self._writes is None:
            raise InvalidInput(f"writes to {name} need a journal, which is in the cache folder; set cache.folder")
        entry = self._upstreams[name] = Upstream(
            source, rights, caching, self._states, counters or SourceCounters(), write_back=write_back
        )
        entry.all, entry.guard = self._stored, partial(self._guard, entry)
        if write_back and self._writes is not None:
            self._writes.watch(entry.origin)

    def add_virtual(
        self,
        name: str,
        recipe: Recipe,
        rights: Rights | None = None,
        caching: Caching = CACHE_REMOTE,
        counters: SourceCounters | None = None,
    ) -> None:
        """Serve a tool over sources as `name`; ``NAME;PARAMETER=VALUE`` is a variant of it.

        Parameters
        ----------
        name : str
            As for `add`.
        recipe : Recipe
            Tool, inputs, parameters and output. An input that names no source is the address of a volume or table.
        rights : Rights, optional
            Who may read it; by default those who may read all its inputs, under whatever name they are served.
        caching : Caching
            Whether it is cached; by default it is, if there is a cache.
        counters : SourceCounters, optional
            Counters of its reads.

        Raises
        ------
        InvalidInput
            If the name or the recipe is invalid, the tool cannot be computed a chunk at a time, or nobody may read all
            inputs.
        AlreadyExists
            If another source has this name.
        """
        self._require_new(name)
        if rights is not None and rights.writers:
            raise InvalidInput(f"the virtual layer {name} cannot be written; leave out its writers")
        checked = check_recipe(name, recipe)
        inputs = {}
        for one, address in checked.volumes.items():
            with naming_input(name, one):
                inputs[one] = self._input(address)
        allowed = shared_rights(name, self._rights_over(inputs)) if rights is None else rights
        self._layers[name] = VirtualUpstream(
            name, checked, inputs, self._reader.read, allowed, caching, counters or SourceCounters(), self._slots
        )

    def check_local_layers(self) -> None:
        """Check the virtual layers all of whose inputs are on this machine.

        Raises
        ------
        InvalidInput, VoxomeError, OSError
            If the tool of one cannot take its inputs.
        """
        for layer in self._layers.values():
            if layer.is_local:
                layer.open()

    def add_store(
        self,
        name: str,
        folder: Path,
        rights: Rights,
        counters: SourceCounters | None = None,
        *,
        uploads_days: float = UPLOADS_DAYS,
    ) -> None:
        """Let clients keep objects in a folder; a volume that they create there, at PATH, is the source ``NAME/PATH``.

        Such sources are in no list; they are found when they are needed.

        Parameters
        ----------
        name : str
            A name, as one of a source.
        folder : Path
            The folder, on this machine.
        rights : Rights
            Who may read and write all of it.
        counters : SourceCounters, optional
            Counters of the reads of all its volumes.
        uploads_days : float
            Days after which an upload in parts ends to which no part has come.

        Raises
        ------
        InvalidInput
            If the name is invalid.
        AlreadyExists
            If a source or store has this name, or one that begins with it.
        """
        check_source_name(name)
        for other in (*self, *self._stores):
            if f"{other}/".startswith(f"{name}/") or f"{name}/".startswith(f"{other}/"):
                raise AlreadyExists(f"the store {name} and {other} would have names in common; choose another name")

        counted = self._store_counters[name] = counters or SourceCounters()

        def open_upstream(uri: str, rights: Rights) -> Upstream:
            upstream = Upstream(uri, rights, CACHE_REMOTE, self._states, counted)
            upstream.all, upstream.guard = self._named_and_inputs, partial(self._guard, upstream)
            return upstream

        self._stores[name] = StoreVolumes(
            name, folder, rights, open_upstream, self._generations, self._states, uploads_days
        )

    @property
    def stores(self) -> Mapping[str, Store]:
        """Stores by name."""
        return {name: volumes.store for name, volumes in self._stores.items()}

    def find_store(self, path: str) -> tuple[Store, str] | None:
        """Return the store in which an object ``NAME/KEY`` is, with its key; None if none has this name."""
        for name, volumes in self._stores.items():
            key = key_in(name, path)
            if key is not None:
                return volumes.store, key
        return None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all sources but those in stores, in order, without variants."""
        return iter(sorted((*self._upstreams, *self._layers)))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        base, changes = split_variant(name)
        if changes is not None:
            return "/" not in changes and base in self._layers
        base = split_version(name)[0]
        return self._find(base) is not None

    def rights(self, name: str) -> Rights:
        """Return who may read and write a source; the parameters of a variant are not checked, see `check_name`.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        base = base_name(name)
        entry = self._find(base)
        if entry is None or name not in self:
            raise NotFound(f"no source {name} is served")
        rights = entry.rights
        return rights if split_version(name)[1] is None else Rights(rights.readers)

    def check_name(self, name: str) -> None:
        """Check the parameters in the name of a variant.

        Raises
        ------
        InvalidInput
            If one does not exist, cannot be changed, or has a wrong value.
        """
        if split_variant(name)[1] is not None:
            self.find(name)

    def find(self, name: str) -> SourceEntry:
        """Return a source, a version of it, or a variant of a virtual layer.

        Raises
        ------
        NotFound
            If no source has this name.
        InvalidInput
            If it is the name of a variant with wrong parameters.
        SourceUnavailable
            If it is a version, and the store behind its source fails.
        """
        layer, changes = split_variant(name)
        if changes is not None and "/" not in changes and layer in self._layers:  # else it is a file of a variant
            return self._layers[layer].variant(changes)
        base, version = split_version(name)
        entry = self._find(base)
        if entry is None:
            raise NotFound(f"no source {name} is served")
        return entry if version is None else self._versions.find(base, entry, version)

    def find_writable(self, identity: str) -> Upstream:
        """Return the source of an identity that can be written.

        Raises
        ------
        NotFound
            If there is none.
        VoxomeError, OSError
            If it may be one whose store has to give its format, and that fails.
        """
        writable = [upstream for upstream in self._upstreams.values() if upstream.rights.writers]
        for upstream in writable:
            if upstream.origin.has_identity(identity):
                return upstream
        for upstream in writable:
            if not upstream.origin.is_known and upstream.identity == identity:
                return upstream
        raise NotFound("no writable source of the relay has this address any more; serve it again to replay the write")

    def names_of(self, identity: str) -> list[str]:
        """Return the names of a stored volume, as far as they are known without asking stores; those in stores too."""
        names = [name for name, upstream in self._upstreams.items() if upstream.origin.has_identity(identity)]
        return names + [name for volumes in self._stores.values() for name in volumes.names_of(identity)]

    def identity(self, name: str) -> str:
        """Return the identity of a source, which is the same for all names of a volume.

        Raises
        ------
        NotFound
            If no source has this name.
        """
        return self.find(name).identity

    def _find(self, name: str) -> Upstream | VirtualUpstream | None:
        return self._upstreams.get(name) or self._layers.get(name) or self._in_store(name)

    def _input(self, address: str) -> Upstream | VirtualUpstream:
        """Return the source of this name, or else of this address, as an input of a virtual layer."""
        if address in self._layers:
            return self._layers[address]
        upstream = self._upstreams.get(address)
        if upstream is None:
            upstream = Upstream(address, PUBLIC_READ, CACHE_REMOTE, self._states, SourceCounters())
            upstream.all = self._stored
            self._addresses.append(upstream)
        if upstream.origin.is_known:
            _ = upstream.identity  # which what does not exist on this machine has not
        upstream.is_input = True
        return upstream

    @contextmanager
    def _guard(self, upstream: Upstream) -> Iterator[None]:
        """Keep the objects of the stores in which a volume is as they are."""
        with ExitStack() as stack:
            if upstream.is_local and upstream.origin.place:
                for store in self.stores.values():
                    stack.enter_context(store.guard(upstream.origin.place))
            yield

    def _stored(self) -> list[Upstream]:
        """Return all sources but virtual layers, and the inputs that are no sources."""
        return [*self._upstreams.values(), *self._addresses]

    def _rights_over(self, inputs: Mapping[str, Upstream | VirtualUpstream]) -> list[Rights]:
        """Return the rights of inputs; those over an address have those of all sources and stores in which it is."""
        named = {id(one) for one in (*self._upstreams.values(), *self._layers.values())}
        places = [(one.origin.place, one.rights) for one in self._upstreams.values()]
        places += [(str(store.folder.path.resolve()), store.rights) for store in self.stores.values()]
        rights = [one.rights for one in inputs.values()]
        for one in inputs.values():
            if isinstance(one, Upstream) and id(one) not in named:
                where = f"{one.origin.place}/"
                rights += [allowed for place, allowed in places if place and where.startswith(f"{place}/")]
        return rights

    def _require_new(self, name: str) -> None:
        check_source_name(name)
        in_store = any(f"{name}/".startswith(f"{store}/") for store in self._stores)
        if in_store or name in self._upstreams or name in self._layers:
            raise AlreadyExists(f"a source {name} is already served; choose another name")

    def _in_store(self, name: str) -> Upstream | None:
        for store, volumes in self._stores.items():
            key = key_in(store, name)
            if key is not None and is_source_name(name):
                return volumes.find(key)
        return None

    def _named_and_inputs(self) -> list[Upstream]:
        """Return what may be another name of a volume in a store: sources, and the inputs of virtual layers."""
        inputs = (one for layer in self._layers.values() for one in layer.inputs.values())
        return [*self._upstreams.values(), *(one for one in inputs if isinstance(one, Upstream))]
