"""Coarser levels of channels, computed in the background, by one process of the relay."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event

import numpy as np

from voxome.contracts.abilities import SupportsOwnDownsampling
from voxome.contracts.downsampling import Method
from voxome.geometry import BlockGrid, Box
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.dialects.boss.state import BossState

_BLOCK = (1, 32, 256, 256)
_LOOK_S = 0.5
"""Time between two looks at the writes that a store does not have yet."""
_METHODS: dict[str, Method] = {"image": "mean", "annotation": "mode"}


class _Stopped(Exception):
    """The computation was cancelled."""


def compute(
    boss: BossState,
    pyramid: Pyramid,
    stop: Event,
    finished: int = 0,
    report: Callable[[int], None] = lambda count: None,
) -> None:
    """Compute all coarser levels from the finest, by the rule of ``docs/downsampling.md``, in one pass over its voxels.

    Images get means, annotations the most frequent ids. A store that computes its levels itself does so.

    Parameters
    ----------
    boss : BossState
        The channels.
    pyramid : Pyramid
        The channel whose levels are computed.
    stop : Event
        Ends the computation as soon as it is set.
    finished : int
        Blocks of the coarsest level that are there already, in the order in which they are computed.
    report : function
        Called with their number after each block.
    """
    if pyramid.channel.served and _compute_in_store(boss, pyramid.channel.served, stop):
        return
    if len(pyramid.levels) > 1:
        blocks = BlockGrid(pyramid.domain(pyramid.levels[-1]), _BLOCK)
        with suppress(_Stopped):
            for number, block in enumerate(blocks):
                if number >= finished:
                    _compute_block(boss, pyramid, stop, block.write)
                    report(number + 1)


def _compute_in_store(boss: BossState, source: str, stop: Event) -> bool:
    """Let the store of a source compute its levels, as soon as it has all writes; return False if it does not."""
    sources = boss.sources
    if sources.use(source, SupportsOwnDownsampling, lambda one: True) is None:
        return False
    while sources.writes is not None and sources.writes.has_writes(sources.identity(source)):
        if stop.wait(_LOOK_S):
            return True
    sources.use(source, SupportsOwnDownsampling, lambda one: one.downsample(wait=True))
    sources.renew(source)
    return True


def _compute_block(boss: BossState, pyramid: Pyramid, stop: Event, whole: Box) -> None:
    """Compute a block of the coarsest level, and everything below it."""
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

    cells(pyramid.levels[-1], whole)
