"""The server's own making of coarser resolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voxome.remotes.bossdb.scales import Scale, told
from voxome.remotes.bossdb.service import path, understood
from voxome.remotes.http import Api


@dataclass(frozen=True)
class Progress:
    """How far the coarser resolutions of a channel are.

    Attributes
    ----------
    status : str
        NOT_DOWNSAMPLED, IN_PROGRESS, QUEUED, DOWNSAMPLED or FAILED.
    scales : mapping
        Resolution → its size.
    """

    status: str
    scales: Mapping[int, Scale]


class Downsampling:
    """Coarser resolutions of channels: start, look, cancel."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def status(self, collection: str, experiment: str, channel: str) -> Progress:
        """How far it is, and which resolutions there are."""
        place = path("downsample", collection, experiment, channel)
        answer = self._api.json("GET", place)
        with understood(place):
            return Progress(answer["status"], told(answer, place))

    def start(self, collection: str, experiment: str, channel: str) -> None:
        """Have the server make them from the finest one.

        Raises
        ------
        AlreadyExists
            If it does already, or has.
        """
        self._api.send("POST", path("downsample", collection, experiment, channel))

    def cancel(self, collection: str, experiment: str, channel: str) -> None:
        """Stop it."""
        self._api.send("DELETE", path("downsample", collection, experiment, channel))
