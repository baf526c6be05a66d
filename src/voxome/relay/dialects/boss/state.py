"""State of the dialect: projects, permissions, voxels."""

from __future__ import annotations

from dataclasses import replace
from threading import RLock
from typing import Any

from voxome.errors import NotFound
from voxome.relay.accounts import Accounts
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.dialects.boss.access import Access
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Experiment
from voxome.relay.dialects.boss.served import ServedVoxels
from voxome.relay.dialects.boss.voxels import VolumeStore, VoxelReader, VoxelStore
from voxome.relay.relay import Relay


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
    voxels : VoxelStore
        The voxels of channels that are not sources of the relay.
    largest_cutout_bytes : int
        Limit of one request, uncompressed.
    lock : RLock
        Held while records that others refer to are changed.
    """

    def __init__(self, relay: Relay) -> None:
        self.catalogue: Catalogue = relay.catalogue
        self.accounts: Accounts = relay.accounts
        self.access = Access(relay.catalogue, relay.sources)
        self.voxels: VoxelStore = VolumeStore(relay.data, relay.locks)
        self._served = ServedVoxels(relay.sources)
        self.largest_cutout_bytes = relay.largest_cutout_bytes
        self.lock = RLock()

    def reader(self, channel: Channel) -> VoxelReader:
        """Return where the voxels of a channel are read: in the store, or in a source of the relay."""
        return self._served if channel.served else self.voxels

    def pyramid(self, channel: Channel) -> Pyramid:
        """Return the channel with its experiment and coordinate frame.

        Raises
        ------
        NotFound
            If they no longer exist.
        """
        experiment = self.catalogue.get(Experiment, channel.collection, channel.experiment)
        return Pyramid(channel, experiment, self.catalogue.get(CoordinateFrame, experiment.coord_frame))

    def change(self, channel: Channel, **fields: Any) -> Channel:
        """Set fields of a channel, even if it was renamed; return the new record.

        Raises
        ------
        NotFound
            If it was deleted.
        """
        with self.lock:
            return self.catalogue.change(self.refresh(channel), lambda one: replace(one, **fields))

    def reserve(self, channel: Channel, count: int) -> int:
        """Reserve `count` consecutive ids of a channel; return the first."""
        with self.lock:
            old = self.refresh(channel)
            return self.catalogue.change(old, lambda one: replace(one, next_id=one.next_id + count)).next_id - count

    def refresh(self, channel: Channel) -> Channel:
        """Return the current record of a channel.

        Raises
        ------
        NotFound
            If it was deleted.
        """
        found = self.catalogue.find(Channel, uid=channel.uid)
        if not found:
            raise NotFound(f"the channel {channel.name} was deleted")
        return found[0]
