"""Blockwise inference with an affinity network, independent of the blocks.

The network has valid convolutions only, so an output voxel depends on the input within its context and on its position
modulo the stride of the network. Tiles start at multiples of the stride relative to the start of the domain, nothing is
blended, and the input is mirrored at the borders of the domain only.
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
MIN_TILE = 16
"""Minimum tile size; onnxruntime sums the matrix products of smaller tiles in another order."""


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
    """Predict the affinities of one block.

    Parameters
    ----------
    raw : (z, y, x)
        Grey values of the box `read`, which contains `write` grown by ``model.card.halo`` and clipped to `domain`.
    write, domain : Box
        Box to predict, and domain of the volume.
    mean, std : float
        Grey-value statistics of the volume, equal for all blocks.
    threads : int
        Number of onnxruntime threads, without effect on the result.
    tile : (z, y, x)
        Voxels computed at a time, a multiple of the stride, without effect on the result. The default needs half a
        gigabyte.

    Returns
    -------
    (channels, z, y, x) uint8
        Affinities ``round(255 * p)``, with channels as in ``model.card.offsets``.

    Raises
    ------
    InvalidInput
        If the boxes do not fit, or `std` is not positive.
    """
    card = model.card
    _check(raw, read, write, domain, card.halo, std)
    if min(tile) < MIN_TILE or any(n % card.stride for n in tile):
        raise InvalidInput(f"tile is {tile}; it must be multiples of the stride {card.stride} and at least {MIN_TILE}")
    session = _session(model.path, threads)
    out = np.empty((len(card.offsets), *write.shape), np.uint8)
    for box in _tiles(_align(write, domain, card.stride), tile, card.stride):
        normalized = _prepare_input(raw, read, box.grow((card.context,) * 3), domain, mean, std)
        prediction = session.run(None, {"raw": normalized})[0][0]
        common = box & write
        out[(slice(None), *common.within(write))] = _quantize(prediction[(slice(None), *common.within(box))])
    return out


def _check(raw: NDArray[Any], read: Box, write: Box, domain: Box, halo: int, std: float) -> None:
    if raw.shape != read.shape:
        raise InvalidInput(f"raw has shape {raw.shape}, but its box {read} has shape {read.shape}")
    if write not in domain or write.empty:
        raise InvalidInput(f"The write box {write} is empty, or not inside the domain {domain}")
    needed = write.grow((halo,) * 3) & domain
    if needed not in read:
        raise InvalidInput(f"To predict {write} the network needs {needed}, but only {read} was read")
    if not std > 0:
        raise InvalidInput(f"The standard deviation of the grey values must be positive, not {std}")


def _align(write: Box, domain: Box, stride: int) -> Box:
    """Return the smallest box around `write` that is aligned to the stride, relative to the domain."""
    start = tuple(d + (w - d) // stride * stride for w, d in zip(write.start, domain.start, strict=True))
    stop = tuple(d - (d - w) // stride * stride for w, d in zip(write.stop, domain.start, strict=True))
    return Box(start, stop)


def _tiles(box: Box, tile: tuple[int, int, int], stride: int) -> Iterator[Box]:
    """Cover a box with equal tiles, at most a quarter larger than `tile`; the last may overhang.

    A block with a few voxels around it is therefore a single tile.
    """
    steps = [_step(n, size, stride) for n, size in zip(box.shape, tile, strict=True)]
    starts = [range(a, b, n) for a, b, n in zip(box.start, box.stop, steps, strict=True)]
    for start in itertools.product(*starts):
        yield Box.of_shape(steps, start)


def _step(extent: int, size: int, stride: int) -> int:
    count = math.ceil(extent / (1.25 * size))
    return max(MIN_TILE, math.ceil(extent / (count * stride)) * stride)


def _prepare_input(raw: NDArray[Any], read: Box, box: Box, domain: Box, mean: float, std: float) -> NDArray[np.float32]:
    """Return normalized input (1, 1, z, y, x) for a box, mirrored at the borders of the domain.

    Mirrored voxels that were not read only affect output that is discarded; their values are arbitrary.
    """
    indices = []
    for axis in range(3):
        last = domain.stop[axis] - domain.start[axis] - 1
        index = np.arange(box.start[axis], box.stop[axis]) - domain.start[axis]
        mirrored = last - np.abs(last - index % (2 * last)) if last else np.zeros_like(index)
        indices.append(np.clip(mirrored + domain.start[axis] - read.start[axis], 0, raw.shape[axis] - 1))
    values = raw[np.ix_(*indices)].astype(np.float32)
    return ((values - np.float32(mean)) / np.float32(std))[None, None]


def _quantize(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(probability * np.float32(255)).astype(np.uint8)


@lru_cache(maxsize=2)
def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
