"""State of the dialect: projects, permissions, voxels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import RLock
from typing import Any

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.accounts import ADMIN, PUBLIC, Accounts, Group
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.dialects.boss.access import Access
from voxome.relay.dialects.boss.publication import Publication, PublishedCatalogue
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Experiment, LevelsJob, OutdatedLevels
from voxome.relay.dialects.boss.served import ServedVoxels
from voxome.relay.dialects.boss.voxels import VolumeStore, VoxelStore, VoxelWriter
from voxome.relay.relay import Relay
from voxome.relay.sources import Sources
from voxome.relay.threads import waiting


class BossState:
    """The projects of a relay.

    Parameters
    ----------
    relay : Relay
        Its catalogue has the projects; their voxels are under its data URI.

    Attributes
    ----------
    catalogue : Catalogue
        Projects, metadata, permissions.
    accounts : Accounts
        Callers by their tokens.
    access : Access
        Permissions of callers.
    sources : Sources
        Volumes of the relay.
    publication : Publication
        Which of them are channels, and their records.
    voxels : VoxelStore
        The voxels of channels that are not sources of the relay.
    reserved_groups : frozenset of str
        Groups with a meaning, and those that the configuration of the relay names; they cannot be created or deleted.
    largest_cutout_bytes : int
        Limit of one request, uncompressed.
    """

    def __init__(self, relay: Relay) -> None:
        self.sources: Sources = relay.sources
        self._records = relay.catalogue
        self.publication = Publication(relay.catalogue, relay.sources, relay.dialect_names.get("boss", {}))
        self.catalogue: Catalogue = PublishedCatalogue(relay.catalogue, self.publication)
        self.accounts: Accounts = relay.accounts
        self.access = Access(self.catalogue, relay.sources, self.publication)
        self.voxels: VoxelStore = VolumeStore(relay.data, relay.locks)
        self._served, self._stored = ServedVoxels(relay.sources), ServedVoxels(relay.sources, cached=False)
        self.reserved_groups = relay.groups | {ADMIN, PUBLIC}
        self.largest_cutout_bytes = relay.largest_cutout_bytes
        self._lock = RLock()
        for name in self.reserved_groups - {ADMIN, PUBLIC}:
            with suppress(AlreadyExists):
                self.catalogue.write(add=[Group(name=name)])
        relay.sources.on_write(self._note_write)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the records that others refer to while they are changed; a request has no slot meanwhile.

        It may wait for a store that describes them, and then for a slot, which those who wait for it would have.

        Raises
        ------
        StoreError
            If too many requests wait for it.
        """
        with waiting("records of BossDB"), self._lock:
            yield

    def store(self, channel: Channel, *, cached: bool = True) -> VoxelWriter:
        """Return where the voxels of a channel are: in the store, or in a source, with or without the cache."""
        return (self._served if cached else self._stored) if channel.served else self.voxels

    def mark_levels_outdated(self, uid: str) -> None:
        """Note that voxels of a channel were changed, and its coarser levels were not."""
        with suppress(NotFound):
            channel = self.refresh(uid)
            if channel.downsample_status == "IN_PROGRESS":
                with suppress(NotFound):
                    self.catalogue.change(LevelsJob(uid=uid), _mark)
                    return
                channel = self.refresh(uid)
            if channel.downsample_status == "DOWNSAMPLED":
                self.change(uid, downsample_status="NOT_DOWNSAMPLED")

    def _note_write(self, name: str, level: int) -> None:
        """Mark the levels of a source as outdated, in whatever dialect its finest level is written."""
        if level == 0:
            self.set_outdated(name, True)
            for channel in self.catalogue.find(Channel, served=name):
                experiments = self._records.find(Experiment, collection=channel.collection, name=channel.experiment)
                if any(one.num_hierarchy_levels > 1 for one in experiments):
                    self.mark_levels_outdated(channel.uid)

    def set_outdated(self, source: str, outdated: bool) -> None:
        """Keep whether the levels of a source are outdated, for all its names, those that it gets later too."""
        record = OutdatedLevels(identity=self.sources.identity(source))
        if (record in self.catalogue.find(OutdatedLevels, identity=record.identity)) != outdated:
            with suppress(AlreadyExists, NotFound):  # done by another request, at the same time
                self.catalogue.write(**{"add" if outdated else "remove": [record]})

    def pyramid(self, channel: Channel) -> Pyramid:
        """Return the channel with its experiment and coordinate frame.

        Raises
        ------
        NotFound
            If they no longer exist.
        """
        experiment = self.catalogue.get(Experiment, channel.collection, channel.experiment)
        return Pyramid(channel, experiment, self.catalogue.get(CoordinateFrame, experiment.coord_frame))

    def change(self, uid: str, **fields: Any) -> Channel:
        """Set fields of the channel with this `uid`, even if it was renamed; return the new record.

        Raises
        ------
        NotFound
            If it was deleted.
        """
        with self.locked():
            return self.catalogue.change(self.refresh(uid), lambda one: replace(one, **fields))

    def reserve(self, channel: Channel, count: int) -> int:
        """Reserve `count` consecutive ids of a channel; return the first."""
        with self.locked():
            old = self.refresh(channel.uid)
            return self.catalogue.change(old, lambda one: replace(one, next_id=one.next_id + count)).next_id - count

    def refresh(self, uid: str) -> Channel:
        """Return the current record of the channel with this `uid`.

        Raises
        ------
        NotFound
            If it was deleted.
        """
        found = self.catalogue.find(Channel, uid=uid)
        if not found:
            raise NotFound("the channel was deleted")
        return found[0]


def _mark(job: LevelsJob) -> LevelsJob:
    if job.ended:
        raise NotFound(f"{job} has ended")
    return replace(job, outdated=True)
