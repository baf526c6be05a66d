"""Coarser resolutions, computed by the server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from voxome.errors import StoreError
from voxome.remotes.bossdb.scales import Scale, scales_from_json
from voxome.remotes.bossdb.service import parsing, path
from voxome.remotes.http import Api

_DONE = "DOWNSAMPLED"
_IDLE = ("NOT_DOWNSAMPLED", "FAILED")
_RUNNING = ("QUEUED", "IN_PROGRESS")
_FIRST_DELAY_S, _MAX_DELAY_S = 0.1, 30.0


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


def compute_levels(downsampling: Downsampling, names: tuple[str, str, str], *, wait: bool) -> str:
    """Start the computation of the coarser resolutions of a channel, unless it runs or is done; return its status.

    Parameters
    ----------
    downsampling : Downsampling
        The service of the server.
    names : (str, str, str)
        Collection, experiment and channel.
    wait : bool
        Whether to return only when they are there.

    Raises
    ------
    StoreError
        If the server reports that it failed.
    """
    status = downsampling.status(*names).status
    if status in _IDLE:
        downsampling.start(*names)
    delay_s = _FIRST_DELAY_S
    while (status := downsampling.status(*names).status) in _RUNNING and wait:
        time.sleep(delay_s)
        delay_s = min(2 * delay_s, _MAX_DELAY_S)
    if wait and status != _DONE:
        raise StoreError(
            f"{'/'.join(names)}: the server reports {status} for the coarser resolutions; start again, or compute them "
            "with service='local' (--service local)"
        )
    return status
