"""Coarser levels of channels, computed in the background."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import numpy as np

from voxome.contracts.downsampling import Method
from voxome.errors import NotFound
from voxome.geometry import BlockGrid, Box
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.records import Channel
from voxome.relay.dialects.boss.state import BossState

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
            compute(self._boss, pyramid, stop)
            status = "NOT_DOWNSAMPLED" if stop.is_set() else "DOWNSAMPLED"
            self._boss.change(channel, downsample_status=status)
        except NotFound:
            _LOG.info("channel %s was deleted while its levels were computed", channel.name)
        except Exception:
            _LOG.exception("the levels of channel %s failed", channel.name)
            self._boss.change(channel, downsample_status="FAILED")
        finally:
            self._stops.pop(channel.uid, None)


class _Stopped(Exception):
    """The computation was cancelled."""


def compute(boss: BossState, pyramid: Pyramid, stop: Event) -> None:
    """Compute all coarser levels from the finest, by the rule of ``docs/downsampling.md``, in one pass over its voxels.

    Images get means, annotations the most frequent ids.
    """
    from voxome.tools.common.cells.methods import METHODS, Cells, cells_of

    voxels = boss.store(pyramid.channel)
    method, base = _METHODS[pyramid.channel.type], pyramid.levels.start

    def cells(level: int, box: Box) -> Cells:
        """Store a block of a level, and everything below it."""
        if stop.is_set():
            raise _Stopped
        z, y, x = (b // a for a, b in zip(pyramid.scale(level - 1), pyramid.scale(level), strict=True))
        finer = box.refine((1, z, y, x)) & pyramid.domain(level - 1)
        inner = Box(finer.start[1:], finer.stop[1:])
        if level - 1 == base:
            found = cells_of(voxels.read(pyramid, base, finer)[0], inner, (z, y, x), method)
        else:
            parts = [cells(level - 1, block.write) for block in BlockGrid(finer, _BLOCK)]
            found = METHODS[method].join(inner, parts).coarsen((z, y, x))
        values = found.values[np.newaxis]
        if values.any():
            voxels.put(pyramid, level, box, values)
        else:
            voxels.erase(pyramid, level, box)
        return found

    if len(pyramid.levels) > 1:
        for block in BlockGrid(pyramid.domain(pyramid.levels[-1]), _BLOCK):
            with suppress(_Stopped):
                cells(pyramid.levels[-1], block.write)
