"""Blockwise inference with a network, independent of the blocks.

The network has valid convolutions only, so an output voxel depends on the input within its context and on its position
modulo the stride of the network. Tiles start at multiples of the stride relative to the start of the domain, nothing is
blended, and the input is mirrored at the borders of the domain only. Networks that return one voxel of a patch are run
patch by patch (`patches.py`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry.box import Box
from voxome.models.cards import Model
from voxome.models.patches import predict_patches
from voxome.models.sessions import mirrored, normalize, open_session, quantize

TILE = (64, 128, 128)
MIN_TILE = 16
"""Minimum tile size; onnxruntime sums the matrix products of smaller tiles in another order."""

Shape = tuple[int, int, int]


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
    tile: Shape = TILE,
) -> NDArray[np.uint8]:
    """Predict the channels of one block.

    Parameters
    ----------
    raw : (z, y, x)
        Grey values of the box `read`, which contains `write` grown by ``model.card.halo`` and clipped to `domain`.
    write, domain : Box
        Box to predict, and domain of the volume.
    mean, std : float
        Grey-value statistics of the volume, equal for all blocks, of use unless the card has fixed ones.
    threads : int
        Number of onnxruntime threads, without effect on the result.
    tile : (z, y, x)
        Voxels computed at a time, a multiple of the stride, without effect on the result. The default needs half a
        gigabyte.

    Returns
    -------
    (channels, z, y, x) uint8
        Probabilities ``round(255 * p)``, with channels as in ``model.card.channels``.

    Raises
    ------
    InvalidInput
        If the boxes do not fit, or `std` is not positive.
    """
    card = model.card
    if card.normalization.statistics == "fixed":
        mean, std = card.normalization.mean, card.normalization.std
    _check(raw, read, write, domain, card.halo, std)
    session = open_session(model.path, threads)
    if card.layout == "patches":
        return predict_patches(raw, read, write, domain, card, session, (mean, std))
    if min(tile) < MIN_TILE or any(n % step for n, step in zip(tile, card.stride, strict=True)):
        raise InvalidInput(f"tile is {tile}; it must be multiples of the stride {card.stride} and at least {MIN_TILE}")
    name = session.get_inputs()[0].name
    out = np.empty((len(card.channels), *write.shape), np.uint8)
    for box in _tiles(_align(write, domain, card.stride), tile, card.stride):
        values = mirrored(raw, read, box.grow(card.context), domain)
        prediction = session.run(None, {name: normalize(values, mean, std)[None, None]})[0][0]
        common = box & write
        out[(slice(None), *common.within(write))] = quantize(prediction[(slice(None), *common.within(box))])
    return out


def _check(raw: NDArray[Any], read: Box, write: Box, domain: Box, halo: Shape, std: float) -> None:
    if raw.shape != read.shape:
        raise InvalidInput(f"raw has shape {raw.shape}, but its box {read} has shape {read.shape}")
    if write not in domain or write.empty:
        raise InvalidInput(f"The write box {write} is empty, or not inside the domain {domain}")
    needed = write.grow(halo) & domain
    if needed not in read:
        raise InvalidInput(f"To predict {write} the network needs {needed}, but only {read} was read")
    if not std > 0:
        raise InvalidInput(f"The standard deviation of the grey values must be positive, not {std}")


def _align(write: Box, domain: Box, stride: Shape) -> Box:
    """Return the smallest box around `write` that is aligned to the stride, relative to the domain."""
    start = tuple(d + (w - d) // n * n for w, d, n in zip(write.start, domain.start, stride, strict=True))
    stop = tuple(d - (d - w) // n * n for w, d, n in zip(write.stop, domain.start, stride, strict=True))
    return Box(start, stop)


def _tiles(box: Box, tile: Shape, stride: Shape) -> Iterator[Box]:
    """Cover a box with equal tiles, at most a quarter larger than `tile`; the last may overhang.

    A block with a few voxels around it is therefore a single tile.
    """
    steps = [_step(n, size, step) for n, size, step in zip(box.shape, tile, stride, strict=True)]
    starts = [range(a, b, n) for a, b, n in zip(box.start, box.stop, steps, strict=True)]
    for start in itertools.product(*starts):
        yield Box.of_shape(steps, start)


def _step(extent: int, size: int, stride: int) -> int:
    count = math.ceil(extent / (1.25 * size))
    return max(math.ceil(MIN_TILE / stride) * stride, math.ceil(extent / (count * stride)) * stride)
