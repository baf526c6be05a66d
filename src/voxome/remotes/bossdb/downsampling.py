"""Coarser resolutions, computed by the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voxome.remotes.bossdb.scales import Scale, scales_from_json
from voxome.remotes.bossdb.service import parsing, path
from voxome.remotes.http import Api


@dataclass(frozen=True)
class Progress:
    """Progress of the coarser resolutions of a channel.

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
    """Computation of coarser resolutions: start, status, cancel."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def status(self, collection: str, experiment: str, channel: str) -> Progress:
        """Return the status of the computation, and the resolutions."""
        name = "/".join((collection, experiment, channel))
        response = self._api.json("GET", path("downsample", collection, experiment, channel))
        with parsing(f"the resolutions of {name}"):
            return Progress(response["status"], scales_from_json(response, name))

    def start(self, collection: str, experiment: str, channel: str) -> None:
        """Start computing them from the finest one.

        Raises
        ------
        AlreadyExists
            If they are being computed, or finished.
        """
        self._api.send("POST", path("downsample", collection, experiment, channel))

    def cancel(self, collection: str, experiment: str, channel: str) -> None:
        """Stop computing them."""
        self._api.send("DELETE", path("downsample", collection, experiment, channel))
