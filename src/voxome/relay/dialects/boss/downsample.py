"""Coarser levels of channels, computed in the background."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from voxome.contracts.downsampling import Method
from voxome.errors import NotFound
from voxome.geometry import BlockGrid
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.records import Channel
from voxome.relay.dialects.boss.state import BossState
from voxome.resources.coarsening import coarsened

_BLOCK = (1, 32, 256, 256)
_METHODS: dict[str, Method] = {"image": "mean", "annotation": "mode"}
_LOG = logging.getLogger(__name__)


class Downsampler:
    """One thread that computes levels; the status of a channel reports its progress.

    Parameters
    ----------
    boss : BossState
        The channels.
    """

    def __init__(self, boss: BossState) -> None:
        self._boss = boss
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voxome-downsample")
        self._stops: dict[str, Event] = {}
        for channel in boss.catalogue.find(Channel, downsample_status="IN_PROGRESS"):
            boss.change(channel, downsample_status="FAILED")

    def start(self, channel: Channel) -> None:
        """Start computing the levels of `channel`."""
        self._stops[channel.uid] = stop = Event()
        self._boss.change(channel, downsample_status="IN_PROGRESS")
        self._thread.submit(self._run, channel, stop)

    def cancel(self, channel: Channel) -> None:
        """Stop computing the levels of `channel`; finished blocks are kept."""
        if channel.uid in self._stops:
            self._stops[channel.uid].set()

    def close(self) -> None:
        """Stop, and wait until the thread has ended."""
        for stop in list(self._stops.values()):
            stop.set()
        self._thread.shutdown()

    def _run(self, channel: Channel, stop: Event) -> None:
        try:
            pyramid = self._boss.pyramid(self._boss.refresh(channel))
            for level in pyramid.levels[1:]:
                compute(self._boss, pyramid, level, stop)
            status = "NOT_DOWNSAMPLED" if stop.is_set() else "DOWNSAMPLED"
            self._boss.change(channel, downsample_status=status)
        except NotFound:
            _LOG.info("channel %s was deleted while its levels were computed", channel.name)
        except Exception:
            _LOG.exception("the levels of channel %s failed", channel.name)
            self._boss.change(channel, downsample_status="FAILED")
        finally:
            self._stops.pop(channel.uid, None)


def compute(boss: BossState, pyramid: Pyramid, level: int, stop: Event) -> None:
    """Compute `level` from the next finer one: means of images, most frequent ids of annotations."""
    finer, coarser = pyramid.scale(level - 1), pyramid.scale(level)
    factors = (1, *(b // a for a, b in zip(finer, coarser, strict=True)))
    method = _METHODS[pyramid.channel.type]
    for block in BlockGrid(pyramid.domain(level), _BLOCK):
        if stop.is_set():
            return
        source = block.write.refine(factors) & pyramid.domain(level - 1)
        data = boss.voxels.read(pyramid, level - 1, source)
        if data.any():
            boss.voxels.put(pyramid, level, block.write, coarsened(data, source, factors, method))
        else:
            boss.voxels.erase(pyramid, level, block.write)
