"""Ids that a level has lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.services.downsample.passes import Pass
from voxome.services.downsample.scratch import Scratch, group_of_ids

_MAX_IDS = 1 << 22
"""Approximate number of ids in memory at a time."""


def lost_ids(passes: Sequence[Pass], scratch: Scratch) -> dict[int, NDArray[np.uint64]]:
    """Return, by level, the ids of level 0, without 0, that it does not have, sorted.

    Parameters
    ----------
    passes : sequence of Pass
        All passes of a pyramid of labels, done.
    scratch : Scratch
        What they have kept.
    """
    found = sum(len(one["0"]) for one in _ids_of(passes[0], scratch))
    parts = 1 << max(0, (found // _MAX_IDS).bit_length())
    levels = [level for one in passes for level in one.levels]
    lost: dict[int, list[NDArray[np.uint64]]] = {level: [] for level in levels}
    for part in range(parts):
        every = _union((ids["0"] for ids in _ids_of(passes[0], scratch)), part, parts)
        every = every[every != 0]
        for one in passes:
            for level in one.levels:
                kept = _union((ids[str(level)] for ids in _ids_of(one, scratch)), part, parts)
                lost[level].append(np.setdiff1d(every, kept, assume_unique=True))
    return {level: np.sort(np.concatenate(ids)) for level, ids in lost.items()}


def _ids_of(one: Pass, scratch: Scratch) -> Iterable[Mapping[str, NDArray[np.uint64]]]:
    return (scratch.read(group_of_ids(one.levels[0]), index) for index in range(len(one.grid)))


def _union(arrays: Iterable[NDArray[np.uint64]], part: int, parts: int) -> NDArray[np.uint64]:
    """Return the distinct ids of arrays whose remainder by `parts` is `part`, sorted."""
    union = np.empty(0, np.uint64)
    waiting: list[NDArray[np.uint64]] = []
    for ids in arrays:
        own = ids if parts == 1 else ids[(ids % ids.dtype.type(parts)) == part]
        waiting.append(own.astype(np.uint64))
        if sum(map(len, waiting)) > _MAX_IDS:
            union, waiting = np.unique(np.concatenate([union, *waiting])), []
    return np.unique(np.concatenate([union, *waiting]))
