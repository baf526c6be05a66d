"""Apply an affinity network to a block of a volume, so that the result does not depend on the block.

The network has valid convolutions only, so an output voxel depends on the raw within its context and on its
position modulo the network's stride. Tiles start at multiples of the stride counted from the start of the
domain, nothing is blended, and raw is mirrored at the ends of the domain only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry.box import Box
from voxome.models.cards import Model

TILE = (64, 128, 128)
SMALLEST_TILE = 16
"""Matrix products of smaller tiles would be summed in another order by onnxruntime."""


def predict(
    raw: NDArray[Any],
    read: Box,
    write: Box,
    domain: Box,
    model: Model,
    *,
    mean: float,
    std: float,
    threads: int = 1,
    tile: tuple[int, int, int] = TILE,
) -> NDArray[np.uint8]:
    """Affinities of one block.

    Parameters
    ----------
    raw : (z, y, x)
        Grey values of the box `read`: `write` grown by ``model.card.halo`` and clipped at `domain`, or more.
    write, domain : Box
        Where affinities are wanted, and where the volume ends.
    mean, std : float
        Grey-value statistics of the whole volume; the same for all its blocks.
    threads : int
        Threads of onnxruntime. The result does not depend on it.
    tile : (z, y, x)
        Voxels computed at once, multiples of the stride: half a gigabyte for the default. The result does not
        depend on it.

    Returns
    -------
    (channels, z, y, x) uint8
        ``round(255 * p)``; the channels are described by ``model.card.offsets``.

    Raises
    ------
    InvalidInput
        If the boxes do not fit, or `std` is not positive.
    """
    card = model.card
    _check(raw, read, write, domain, card.halo, std)
    if min(tile) < SMALLEST_TILE or any(n % card.stride for n in tile):
        raise InvalidInput(f"tile {tile} must be multiples of the stride {card.stride}, at least {SMALLEST_TILE}")
    session = _session(model.path, threads)
    out = np.empty((len(card.offsets), *write.shape), np.uint8)
    for box in _tiles(_aligned(write, domain, card.stride), tile, card.stride):
        normalised = _input(raw, read, box.grow((card.context,) * 3), domain, mean, std)
        found = session.run(None, {"raw": normalised})[0][0]
        common = box & write
        out[(slice(None), *common.within(write))] = _quantised(found[(slice(None), *common.within(box))])
    return out


def _check(raw: NDArray[Any], read: Box, write: Box, domain: Box, halo: int, std: float) -> None:
    if raw.shape != read.shape:
        raise InvalidInput(f"raw has the shape {raw.shape}, but its box {read} the shape {read.shape}")
    if write not in domain or write.empty:
        raise InvalidInput(f"the write box {write} must hold voxels and lie inside the domain {domain}")
    needed = write.grow((halo,) * 3) & domain
    if needed not in read:
        raise InvalidInput(f"to write {write} the network needs {needed}; only {read} was read")
    if not std > 0:
        raise InvalidInput(f"the standard deviation of the grey values must be above 0, not {std}")


def _aligned(write: Box, domain: Box, stride: int) -> Box:
    """The smallest box around `write` on the lattice of strides that starts with the domain."""
    start = tuple(d + (w - d) // stride * stride for w, d in zip(write.start, domain.start, strict=True))
    stop = tuple(d - (d - w) // stride * stride for w, d in zip(write.stop, domain.start, strict=True))
    return Box(start, stop)


def _tiles(whole: Box, tile: tuple[int, int, int], stride: int) -> Iterator[Box]:
    """Cover a box by equal tiles, at most a quarter larger than `tile`; the last may overhang.

    So a block and the few voxels around it that its neighbours need are one tile.
    """
    steps = [_step(n, size, stride) for n, size in zip(whole.shape, tile, strict=True)]
    starts = [range(a, b, n) for a, b, n in zip(whole.start, whole.stop, steps, strict=True)]
    for start in itertools.product(*starts):
        yield Box.of_shape(steps, start)


def _step(extent: int, size: int, stride: int) -> int:
    pieces = math.ceil(extent / (1.25 * size))
    return max(SMALLEST_TILE, math.ceil(extent / (pieces * stride)) * stride)


def _input(raw: NDArray[Any], read: Box, box: Box, domain: Box, mean: float, std: float) -> NDArray[np.float32]:
    """Normalised raw (1, 1, z, y, x) of a box that may leave the domain, mirrored about its end voxels.

    Where a mirrored place was not read it serves overhanging output only, and any value will do.
    """
    places = []
    for axis in range(3):
        last = domain.stop[axis] - domain.start[axis] - 1
        index = np.arange(box.start[axis], box.stop[axis]) - domain.start[axis]
        mirrored = last - np.abs(last - index % (2 * last)) if last else np.zeros_like(index)
        places.append(np.clip(mirrored + domain.start[axis] - read.start[axis], 0, raw.shape[axis] - 1))
    values = raw[np.ix_(*places)].astype(np.float32)
    return ((values - np.float32(mean)) / np.float32(std))[None, None]


def _quantised(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(probability * np.float32(255)).astype(np.uint8)


@lru_cache(maxsize=2)
def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
