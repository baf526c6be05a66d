"""Sources of the relay as channels: described when they are first needed, and again when they are replaced."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from threading import Lock, RLock
from typing import cast

from voxome.errors import AlreadyExists, InvalidInput, NotFound, StoreError, UnsupportedFormat, VoxomeError
from voxome.relay.accounts import Caller
from voxome.relay.catalogue.contract import Catalogue, R, Record
from voxome.relay.dialects.boss.description import Description, describe, signature
from voxome.relay.dialects.boss.names import ChannelKey, channel_keys, frame_name
from voxome.relay.dialects.boss.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    Metadatum,
    OutdatedLevels,
    Resource,
    names_of,
)
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.relay.threads import waiting
from voxome.relay.virtual.variants import SEPARATOR

NOTES = "voxome"
"""Key of a channel's metadata under which voxome's BossDB client stores, as JSON, what BossDB has no field for."""
_MOST_TRIES = 8
_LOG = logging.getLogger(__name__)


class Indescribable(UnsupportedFormat):
    """BossDB has no such volumes.

    Parameters
    ----------
    source : str
        Name of the source.
    reason : str
        What BossDB lacks.
    """

    def __init__(self, source: str, reason: str) -> None:
        others = f"/raw/{source}, /zarr/{source} and /precomputed/{source}"
        super().__init__(
            f"{source} cannot be served as a channel of BossDB: {reason}. Its other addresses are {others}"
        )
        self.source = source


class Publication:
    """The sources of a relay as channels of BossDB, whose records are entered into the catalogue.

    Parameters
    ----------
    catalogue : Catalogue
        Where the records are; values set over the API are kept.
    sources : Sources
        What is served.
    given : mapping
        Source → ``COLLECTION/EXPERIMENT/CHANNEL``, where that is not derived from its name.

    Raises
    ------
    AlreadyExists
        If two sources have the same name in BossDB.
    """

    def __init__(self, catalogue: Catalogue, sources: Sources, given: Mapping[str, str]) -> None:
        self._catalogue, self._sources, self._given = catalogue, sources, given
        self._names: tuple[str, ...] = ()
        self._keys: dict[ChannelKey, str] = {}
        self._lock = Lock()
        self._group_locks: defaultdict[tuple[str, str], RLock] = defaultdict(RLock)
        self._known: dict[str, tuple[object, ...]] = {}
        self._failed: dict[str, VoxomeError] = {}
        self._tried: dict[tuple[str, str], float] = {}
        _ = self.keys  # which raises

    @property
    def keys(self) -> Mapping[ChannelKey, str]:
        """Sources by the names of their channels."""
        names = tuple(self._sources)
        with self._lock:
            if names != self._names:
                self._keys, self._names = channel_keys(names, self._given), names
            return self._keys

    def key_of(self, source: str) -> ChannelKey | None:
        """Return the names of the channel that a source is, or a variant of one; None if it is no channel."""
        base, separator, changes = source.partition(SEPARATOR)
        key = next((key for key, name in self.keys.items() if name == base), None)
        if key is None or isinstance(self._failed.get(base), Indescribable):
            return None
        return key[0], key[1], f"{key[2]}{separator}{changes}"

    def inside(self, collection: str, experiment: str = "") -> dict[ChannelKey, str]:
        """Return the sources in a collection or an experiment."""
        wanted = (collection, experiment) if experiment else (collection,)
        return {key: name for key, name in self.keys.items() if key[: len(wanted)] == wanted}

    def with_frame(self, frame: str) -> dict[ChannelKey, str]:
        """Return the sources whose coordinate frame has this name."""
        return {key: name for key, name in self.keys.items() if frame_name(*key[:2]) == frame}

    def visible(self, caller: Caller, sources: Mapping[ChannelKey, str]) -> list[ChannelKey]:
        """Return those of some sources of which a caller may see the metadata."""
        return [key for key, name in sources.items() if self._sources.rights(name).may_see(caller)]

    def listed(self, caller: Caller, collection: str = "", experiment: str = "") -> list[ChannelKey]:
        """Return the channels in everything, a collection or an experiment that a caller may read.

        Those of which it is known that BossDB cannot have them are left out.
        """
        inside = self.inside(collection, experiment) if collection else self.keys
        return [
            key
            for key, name in inside.items()
            if self._sources.rights(name).may_read(caller) and not isinstance(self._failed.get(name), Indescribable)
        ]

    def holds(self, record: Resource) -> bool:
        """Return whether a record is that of a source of the relay, or has some inside."""
        if isinstance(record, CoordinateFrame):
            return bool(self.with_frame(record.name))
        if isinstance(record, Channel):
            return record.key in self.keys
        return bool(self.inside(*record.key))

    def prepare(self, record_type: type[Record], key: tuple[str, ...]) -> None:
        """Describe the sources that a record is about, if it is about any.

        Raises
        ------
        SourceUnavailable
            If a source that is needed cannot be opened.
        Indescribable
            If BossDB has no such volumes.
        """
        if record_type is Collection and self.inside(*key):
            self._add_collection(key[0])
        elif record_type is CoordinateFrame:
            for group in {found[:2] for found in self.with_frame(*key)}:
                self._prepare_group(group)
        elif record_type is Experiment and self.inside(*key):
            self._prepare_group((key[0], key[1]))
        elif record_type is Channel and (key[0], key[1], key[2]) in self.keys:
            self._prepare_channel((key[0], key[1], key[2]))

    def leftovers(self, record: Resource) -> list[Record]:
        """Return what is left of a source that was once served under the name of a new channel."""
        old = self._existing(record) if isinstance(record, Channel) else None
        if old is None or self.is_current(old):
            return []
        where = names_of(old)
        return [old, *self._catalogue.find(Metadatum, **where), *self._catalogue.find(Grant, **where)]

    def is_current(self, channel: Channel) -> bool:
        """Return whether a channel is still what it was entered as: a source of this name, or none."""
        return not channel.served or self.keys.get((channel.collection, channel.experiment, channel.name)) == (
            channel.served
        )

    def variant_of(self, source: str, changes: str) -> str:
        """Return the name of a virtual layer with other parameters.

        Raises
        ------
        NotFound
            If the source is no virtual layer; parameters are checked when it is read.
        """
        self._sources.rights(f"{source}{changes}")
        return f"{source}{changes}"

    def _prepare_channel(self, key: ChannelKey) -> None:
        name = self.keys[key]
        known = self._known.get(name)
        if known is None or known != self._signature(name, known):
            self._describe((key[0], key[1]), lambda: self._known.get(name) == known)
        failure = self._failed.get(name)
        if failure is not None:
            raise failure.with_traceback(None)

    def _prepare_group(self, group: tuple[str, str]) -> None:
        inside = self.inside(*group).values()
        if not any(name in self._known for name in inside):
            self._describe(group, lambda: not any(name in self._known for name in inside))
        failures = [self._failed[name] for name in inside if name in self._failed]
        if len(failures) == len(inside) and not self._catalogue.find(Experiment, collection=group[0], name=group[1]):
            first = next((one for one in failures if isinstance(one, SourceUnavailable)), failures[0])
            raise first.with_traceback(None)

    def _describe(self, group: tuple[str, str], is_needed: Callable[[], bool]) -> None:
        """Describe all sources of an experiment, once for all requests that wait for it, which hold up no others.

        Raises
        ------
        SourceUnavailable
            If too many wait.
        """
        begun = time.monotonic()
        with ExitStack() as stack:
            try:
                stack.enter_context(waiting(f"experiment {'/'.join(group)}"))
            except StoreError as error:
                raise SourceUnavailable(str(error)) from error
            stack.enter_context(self._group_locks[group])
            if is_needed() and self._tried.get(group, -math.inf) < begun:
                self._enter_group(group)
                self._tried[group] = time.monotonic()

    def _signature(self, name: str, known: tuple[object, ...]) -> tuple[object, ...]:
        """Return the signature of a source; what is known as long as it cannot be opened."""
        try:
            return signature(self._sources, name)
        except (SourceUnavailable, NotFound):
            return known

    def _enter_group(self, group: tuple[str, str]) -> None:
        """Describe all sources of an experiment; those that do not go with the first are left out."""
        described: dict[str, Description] = {}
        signatures: dict[str, tuple[object, ...]] = {}
        inside = self.inside(*group)
        for key, name in inside.items():
            try:
                signatures[name] = signature(self._sources, name)
                one = describe(name, key, self._sources)
                self._check(one, described.values())
            except SourceUnavailable as error:
                signatures.pop(name, None)
                self._fail(name, error)
            except (UnsupportedFormat, InvalidInput) as error:
                self._fail(name, Indescribable(name, str(error)))
            else:
                described[name] = one
        for name, one in _joined(described).items():
            self._enter(one, replaced=self._known.get(name, signatures[name]) != signatures[name])
            self._failed.pop(name, None)
        for name in inside.values():  # only now: who finds a signature expects the records
            if name in signatures:
                self._known[name] = signatures[name]
            else:
                self._known.pop(name, None)

    def _fail(self, name: str, error: VoxomeError) -> None:
        if str(self._failed.get(name)) != str(error):
            _LOG.warning("%s", error)
        self._failed[name] = error

    def _check(self, one: Description, others: Iterable[Description]) -> None:
        """Refuse a source that other channels of its name or its experiment do not go with."""
        old = self._existing(one.channel)
        if old is not None and not old.served:
            raise InvalidInput("a channel of this name was created over the API; choose another name for the source")
        channels = self._catalogue.find(Channel, collection=one.channel.collection, experiment=one.channel.experiment)
        experiment = self._existing(one.experiment)
        created = [channel.name for channel in channels if not channel.served]
        if created and experiment is not None and experiment.coord_frame != one.frame.name:
            raise InvalidInput(f"its experiment has channels that were created over the API: {', '.join(created)}")
        for other in others:
            if not _fit(one, other):
                raise InvalidInput(
                    f"extent, voxel size, times or levels differ from those of {other.channel.served}, which is in the "
                    "same experiment; name another one for it, as boss = 'COLLECTION/EXPERIMENT/CHANNEL'"
                )

    def _enter(self, one: Description, *, replaced: bool) -> None:
        """Add or update the records of a source; values set over the API are kept."""
        self._add_collection(one.channel.collection)
        self._put(one.frame, "description", "creator")
        self._put(one.experiment, "description", "creator", "public", "time_step", "time_step_unit")
        kept = ["description", "creator", "sources", "related", "next_id", "uid"]
        if self._sources.rights(one.channel.served).writers and not replaced:
            kept.append("downsample_status")
        self._put(one.channel, *kept)
        outdated = self._catalogue.find(OutdatedLevels, identity=self._sources.identity(one.channel.served))
        if replaced and outdated:
            with suppress(NotFound):
                self._catalogue.write(remove=outdated)
        elif outdated and one.experiment.num_hierarchy_levels > 1:  # looked for after the channel is there to be marked
            with suppress(NotFound):
                self._catalogue.change(one.channel, _outdated)
        if one.notes:
            self._put(Metadatum(**names_of(one.channel), label=NOTES, value=json.dumps(one.notes)))

    def _add_collection(self, name: str) -> None:
        with suppress(AlreadyExists):
            if self._existing(Collection(name=name)) is None:
                self._catalogue.write(add=[Collection(name=name)])

    def _put(self, new: Record, *kept: str) -> None:
        """Add a record, or replace that of its key; another process may do the same at this moment."""
        for _ in range(_MOST_TRIES):
            old = self._existing(new)
            try:
                if old is None:
                    self._catalogue.write(add=[new])
                elif _merge(new, old, kept) != old:
                    self._catalogue.change(old, lambda current: _merge(new, current, kept))
            except (AlreadyExists, NotFound):
                continue
            return
        raise SourceUnavailable(f"{new} is being changed; repeat the request")

    def _existing(self, record: R) -> R | None:
        try:
            return self._catalogue.get(type(record), *record.key)
        except NotFound:
            return None


def _outdated(channel: Channel) -> Channel:
    finished = channel.downsample_status == "DOWNSAMPLED"
    return replace(channel, downsample_status="NOT_DOWNSAMPLED") if finished else channel


def _fit(one: Description, other: Description) -> bool:
    """Return whether two sources can be channels of one experiment."""
    a, b = one.experiment, other.experiment
    same_levels = a.hierarchy_method == b.hierarchy_method or 1 in (a.num_hierarchy_levels, b.num_hierarchy_levels)
    return one.frame == other.frame and a.num_time_samples == b.num_time_samples and same_levels


def _joined(described: Mapping[str, Description]) -> dict[str, Description]:
    """Return descriptions with the one experiment that all of them have."""
    experiments = [one.experiment for one in described.values()]
    levels = min((one.num_hierarchy_levels for one in experiments), default=1)
    method = next((one.hierarchy_method for one in experiments if one.num_hierarchy_levels > 1), "anisotropic")
    return {
        name: replace(
            one, experiment=replace(one.experiment, num_hierarchy_levels=levels, hierarchy_method=method)
        )
        for name, one in described.items()
    }  # fmt: skip


def _merge(new: R, old: Record, kept: tuple[str, ...]) -> R:
    return replace(new, **{field: getattr(old, field) for field in kept})


class PublishedCatalogue:
    """A catalogue in which the sources of the relay are channels.

    Parameters
    ----------
    catalogue : Catalogue
        All records.
    publication : Publication
        Enters those of a source when they are first needed.
    """

    def __init__(self, catalogue: Catalogue, publication: Publication) -> None:
        self._catalogue, self._publication = catalogue, publication
        self.write, self.change, self.close = catalogue.write, catalogue.change, catalogue.close

    def get(self, record_type: type[R], *key: str) -> R:
        if record_type is Channel and SEPARATOR in key[-1]:
            return cast("R", self._variant(*key))
        self._publication.prepare(record_type, key)
        found = self._catalogue.get(record_type, *key)
        if isinstance(found, Channel) and not self._publication.is_current(found):
            raise NotFound(f"{found} does not exist")
        return found

    def _variant(self, collection: str, experiment: str, name: str) -> Channel:
        """Return the channel of a virtual layer with other parameters: that of the layer, with another source."""
        base, separator, changes = name.partition(SEPARATOR)
        channel = self.get(Channel, collection, experiment, base)
        return replace(channel, served=self._publication.variant_of(channel.served, f"{separator}{changes}"))

    def find(self, record_type: type[R], **equal: str) -> list[R]:
        found = self._catalogue.find(record_type, **equal)
        return [one for one in found if not isinstance(one, Channel) or self._publication.is_current(one)]
