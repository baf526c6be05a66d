"""The lower levels of a channel, computed in the background."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from voxome.errors import NotFound
from voxome.geometry import BlockGrid, Box
from voxome.relay.catalogue.records import Channel
from voxome.relay.pyramid import Pyramid
from voxome.relay.relay import Relay
from voxome.resources.coarsening import Method, coarsened

_BLOCK = (1, 32, 256, 256)
_METHODS: dict[str, Method] = {"image": "mean", "annotation": "mode"}
_LOG = logging.getLogger(__name__)


class Downsampler:
    """One thread that computes levels; what it does of a channel is in the channel's status.

    Parameters
    ----------
    relay : Relay
        Whose channels.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voxome-downsample")
        self._stops: dict[str, Event] = {}
        for channel in relay.catalogue.find(Channel, downsample_status="IN_PROGRESS"):
            relay.change(channel, downsample_status="FAILED")

    def start(self, channel: Channel) -> None:
        """Begin with the levels of `channel`."""
        self._stops[channel.uid] = stop = Event()
        self._relay.change(channel, downsample_status="IN_PROGRESS")
        self._thread.submit(self._run, channel, stop)

    def cancel(self, channel: Channel) -> None:
        """Go on no more; what is computed stays."""
        if channel.uid in self._stops:
            self._stops[channel.uid].set()

    def close(self) -> None:
        """Stop all, and wait until nothing runs."""
        for stop in list(self._stops.values()):
            stop.set()
        self._thread.shutdown()

    def _run(self, channel: Channel, stop: Event) -> None:
        try:
            pyramid = self._relay.pyramid(self._relay.now(channel))
            for level in pyramid.levels[1:]:
                compute(self._relay, pyramid, level, stop)
            status = "NOT_DOWNSAMPLED" if stop.is_set() else "DOWNSAMPLED"
            self._relay.change(channel, downsample_status=status)
        except NotFound:
            _LOG.info("channel %s was deleted while its levels were computed", channel.name)
        except Exception:
            _LOG.exception("the levels of channel %s failed", channel.name)
            self._relay.change(channel, downsample_status="FAILED")
        finally:
            self._stops.pop(channel.uid, None)


def compute(relay: Relay, pyramid: Pyramid, level: int, stop: Event) -> None:
    """Compute `level` from the one above: means of images, most frequent ids of annotations."""
    finer, coarser = pyramid.scale(level - 1), pyramid.scale(level)
    factors = (1, *(b // a for a, b in zip(finer, coarser, strict=True)))
    method = _METHODS[pyramid.channel.type]
    for block in BlockGrid(pyramid.domain(level), _BLOCK):
        if stop.is_set():
            return
        above = _scaled(block.write, factors) & pyramid.domain(level - 1)
        data = relay.voxels.read(pyramid, level - 1, above)
        if data.any():
            relay.voxels.put(pyramid, level, block.write, coarsened(data, above, factors, method))
        else:
            relay.voxels.erase(pyramid, level, block.write)


def _scaled(box: Box, factors: tuple[int, ...]) -> Box:
    return Box(
        tuple(a * n for a, n in zip(box.start, factors, strict=True)),
        tuple(b * n for b, n in zip(box.stop, factors, strict=True)),
    )
