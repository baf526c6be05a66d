"""A deterministic sample of the voxels of a volume."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import Box

_EDGE = 64
"""Edge length of the blocks of a sample, in voxels."""
_PER_AXIS = 3
"""Number of blocks along each axis."""
_WHOLE = 1 << 23
"""Number of voxels up to which all of them are the sample."""
_WINDOW = 5
"""Side of the square windows of a single value that are padding."""


def sample_boxes(box: Box) -> list[Box]:
    """Return boxes spread evenly over `box`, from its start to its end; `box` itself if it is small."""
    if box.size <= _WHOLE:
        return [box]
    starts = [_starts(start, stop) for start, stop in zip(box.start, box.stop, strict=True)]
    shape = [min(_EDGE, n) for n in box.shape]
    return [Box.of_shape(shape, corner) for corner in itertools.product(*starts)]


def sample_blocks(source: VolumeSource, box: Box | None = None) -> Iterator[NDArray[Any]]:
    """Yield the voxels of a sample of `box`, or of the whole volume, block by block."""
    for part in sample_boxes(source.spec.domain if box is None else box):
        yield source.read(part)


def sample_percentiles(
    source: VolumeSource, percents: tuple[float, float], name: str, box: Box | None = None
) -> tuple[float, float]:
    """Return percentiles of a sample of the values, without constant padding and values that are not finite.

    Only those of `box` count, if there is one.

    Raises
    ------
    InvalidInput
        If all values of the sample are equal; `name` is the volume, for the message.
    """
    parts = [_without_padding(block) for block in sample_blocks(source, box)]
    values = np.concatenate(parts) if parts else np.empty(0)
    if not len(values):
        raise InvalidInput(f"{name} is constant, so it has no window; give grey values, as ?window=0:255")
    low, high = (float(n) for n in np.percentile(values, percents))
    if low == high:
        raise InvalidInput(
            f"{name} is {low:g} at both ends of the window {percents[0]:g}%:{percents[1]:g}%; give grey values, as "
            "?window=0:255"
        )
    return low, high


def _starts(start: int, stop: int) -> list[int]:
    last = max(start, stop - _EDGE)
    return sorted({start + (last - start) * i // (_PER_AXIS - 1) for i in range(_PER_AXIS)})


def _without_padding(block: NDArray[Any]) -> NDArray[Any]:
    """Return the finite values outside windows of a single value, along the last two axes."""
    from scipy import ndimage  # takes 0.1 s to import

    window = (1,) * (block.ndim - 2) + (_WINDOW,) * min(block.ndim, 2)
    wide = block.astype(np.uint8) if block.dtype == bool else block
    low, high = (bound(wide, window, mode="nearest") for bound in (ndimage.minimum_filter, ndimage.maximum_filter))
    constant = ndimage.maximum_filter(low == high, window, mode="nearest")
    values: NDArray[Any] = wide[~constant & np.isfinite(wide)]
    return values
