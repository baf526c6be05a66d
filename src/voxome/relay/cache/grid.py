"""The grid of chunks by which a source is cached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from voxome.contracts.abilities import SupportsRequests, ability
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import BlockGrid

SMALLEST_BYTES = 2**18
"""Chunks of the source are grouped, two along the shortest axis at a time, until a group has at least these bytes."""
LARGEST_BYTES = 2**25
"""Chunks of the source are halved along the longest axis, until a part has at most these bytes."""
_UNDIVIDED_BYTES = 2**20
"""Bytes of a chunk of a source that is not divided into chunks."""


def chunk_grid(source: object, spec: VolumeSpec) -> BlockGrid:
    """Return the grid by which a source is cached; its blocks begin where chunks of the source do.

    Parameters
    ----------
    source : ReadableSource
        Its ability `SupportsRequests` says where the chunks of a server begin.
    spec : VolumeSpec
        Its domain, dtype and chunk.

    Examples
    --------
    >>> chunk_grid(None, VolumeSpec.of((64, 64, 64), "uint8", chunk=(16, 32, 32))).block
    (64, 64, 64)
    >>> chunk_grid(None, VolumeSpec.of((64, 4096, 4096), "uint64", chunk=(8, 2048, 2048))).block
    (8, 1024, 512)
    """
    domain, size = spec.domain, spec.dtype.itemsize
    served = ability(source, SupportsRequests)
    anchor = domain.start if served is None else served.chunk_origin
    if spec.read_chunk is None:
        block = _grouped((1,) * domain.ndim, spec, _UNDIVIDED_BYTES)
    else:
        block = _grouped(spec.read_chunk, spec, SMALLEST_BYTES)
    return BlockGrid(domain, _divided(block, size), anchor=anchor)


def _grouped(chunk: Sequence[int], spec: VolumeSpec, smallest: int) -> tuple[int, ...]:
    """Return a block of whole chunks, which has several times or channels only if that of one is too small."""
    block, extent = list(chunk), spec.domain.shape
    while math.prod(block) * spec.dtype.itemsize < smallest:
        axes = [axis for axis, (n, whole) in enumerate(zip(block, extent, strict=True)) if n < whole]
        if not axes:
            break
        axes = [axis for axis in axes if axis in spec.spatial] or axes
        block[min(axes, key=lambda axis: (block[axis], -axis))] *= 2
    return tuple(block)


def _divided(chunk: Sequence[int], itemsize: int) -> tuple[int, ...]:
    block = list(chunk)
    while math.prod(block) * itemsize > LARGEST_BYTES:
        longest = max(range(len(block)), key=block.__getitem__)
        if block[longest] % 2:
            block[longest] += 1
        block[longest] //= 2
    return tuple(block)
