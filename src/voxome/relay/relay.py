"""A relay: a catalogue, a place of voxels, and who may do what with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

from voxome.errors import NotFound
from voxome.relay.access import Access
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.records import Channel, CoordinateFrame, Experiment
from voxome.relay.pyramid import Pyramid
from voxome.relay.voxels import Voxels


@dataclass(frozen=True)
class Relay:
    """What the dialects serve.

    Attributes
    ----------
    catalogue : Catalogue
        Names, metadata, permissions.
    voxels : Voxels
        What is read and written.
    access : Access
        Who may do it.
    largest_cutout_bytes : int
        Of one request, uncompressed.
    changing : RLock
        Held by who changes what other records point at.
    """

    catalogue: Catalogue
    voxels: Voxels
    access: Access
    largest_cutout_bytes: int = 520 * 2**20
    changing: RLock = field(default_factory=RLock, repr=False)

    def pyramid(self, channel: Channel) -> Pyramid:
        """The channel with its experiment and frame.

        Raises
        ------
        NotFound
            If they are gone.
        """
        experiment = self.catalogue.get(Experiment, channel.collection, channel.experiment)
        return Pyramid(channel, experiment, self.catalogue.get(CoordinateFrame, experiment.coord_frame))

    def change(self, channel: Channel, **fields: Any) -> Channel:
        """Set fields of a channel, whatever it is called by now.

        Raises
        ------
        NotFound
            If it was deleted.
        """
        with self.changing:
            return self.catalogue.change(self.now(channel), lambda one: replace(one, **fields))

    def reserve(self, channel: Channel, count: int) -> int:
        """Take `count` ids that nobody else is ever given; the first of them."""
        with self.changing:
            first = self.now(channel).next_id
            self.change(channel, next_id=first + count)
        return first

    def now(self, channel: Channel) -> Channel:
        """The channel as it is now.

        Raises
        ------
        NotFound
            If it was deleted.
        """
        found = self.catalogue.find(Channel, uid=channel.uid)
        if not found:
            raise NotFound(f"the channel {channel.name} was deleted")
        return found[0]
