"""Copy a box of one array into another, block by block.

`voxome.services.transfer` does the same for large arrays: in parallel, verified and resumable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox
from voxome.geometry import BlockGrid, Box
from voxome.resources.cast import cast_exact

BLOCK_BYTES = 64 << 20
"""Memory for one block, unless a chunk or an image section is larger."""

_MAX_SLAB_BYTES = 16 * BLOCK_BYTES
"""Memory for one slab of sections; larger than a block, so that chunks spanning many sections are decoded once."""

ProgressCallback = Callable[[int, int], None]
"""Function called with the number of blocks done and the total number of blocks."""


def silent(done: int, total: int) -> None:
    """Report no progress."""


def copy(
    source: VolumeSource, box: Box, target: VolumeSource, corner: Sequence[int], progress: ProgressCallback = silent
) -> None:
    """Copy the voxels of `box` in `source` to `corner` in `target`.

    An interrupt takes effect when the current block is written.

    Parameters
    ----------
    source : VolumeSource
        Array to read.
    box : Box
        Box to copy, in the coordinates of `source`.
    target : VolumeSource
        Array to write, with the same number of axes.
    corner : tuple of int
        First index to write, in the coordinates of `target`.
    progress : callable
        Called after each block.

    Raises
    ------
    InvalidBox
        If the box exceeds the domain of either array.
    InvalidInput
        If a voxel value does not fit the dtype of `target`.
    """
    region = Box.of_shape(box.shape, corner)
    to_source = tuple(a - b for a, b in zip(box.start, region.start, strict=True))
    chunk = target.spec.write_chunk or source.spec.read_chunk or (1,) * box.ndim
    grid = BlockGrid(target.spec.domain, _block_shape(chunk, region.shape, source.spec.dtype.itemsize), region)

    def copy_block(block: Box) -> None:
        target.write(block, cast_exact(source.read(block.shift(to_source)), target.spec.dtype))

    with ThreadPoolExecutor(1) as pool:
        for done, block in enumerate(grid, 1):
            pool.submit(copy_block, block.write).result()
            progress(done, len(grid))


def _block_shape(chunk: Sequence[int], shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Return the largest block of complete chunks within `BLOCK_BYTES`, at least one; it grows from the last axis."""
    block = list(chunk)
    for axis in reversed(range(len(block))):
        fits = BLOCK_BYTES // (int(np.prod(block)) * itemsize)
        block[axis] *= max(1, min(-(-shape[axis] // chunk[axis]), fits))
    return tuple(block)


def slabs(spec: VolumeSpec, box: Box) -> Iterator[Box]:
    """Tile `box`, in order, with slabs of complete sections (the last two axes)."""
    *lead, _, _ = box.shape
    section = box.shape[-1] * box.shape[-2] * spec.dtype.itemsize
    chunk = spec.read_chunk[-3] if lead and spec.read_chunk else 1
    unit = chunk if chunk * section <= _MAX_SLAB_BYTES else 1
    depth = unit * max(1, BLOCK_BYTES // (unit * section))
    block = (*(1 for _ in lead[:-1]), *(depth for _ in lead[-1:]), *box.shape[-2:])
    yield from (slab.write for slab in BlockGrid(box, block))


def resolve_box(spec: VolumeSpec, box: Box | str | None) -> Box:
    """Return `box` along all axes of a volume.

    Parameters
    ----------
    spec : VolumeSpec
        Description of the volume.
    box : Box, str or None
        Box along all axes, or along z, y, x only and complete along the others; None for the domain. A text may leave
        out ends, as ``10:,:,100:200``: they are those of the volume.

    Raises
    ------
    InvalidBox
        If the box has another number of axes, is empty, or exceeds the domain.
    """
    if box is None:
        return spec.domain
    full = Box.of(box, _domain(spec, box))
    if full.ndim == len(spec.spatial) != spec.domain.ndim:
        full = spec.lift(full)
    if problem := _problem(spec, full):
        raise InvalidBox(f"the box {full} {problem}; the volume is {spec.domain} ({'/'.join(spec.axes)})")
    return full


def _problem(spec: VolumeSpec, box: Box) -> str:
    """Return why a box is no part of a volume; empty if it is one."""
    domain = spec.domain
    if box.ndim != domain.ndim:
        return f"has {box.ndim} axes, not {domain.ndim}"
    if box.empty:
        flat = [axis for axis, n in zip(spec.axes, box.shape, strict=True) if not n]
        return f"is empty: it has no voxels along {', '.join(flat)}"
    if box in domain:
        return ""
    ends = zip(spec.axes, box.start, box.stop, domain.start, domain.stop, strict=True)
    outside = [
        f"{axis} is {a}:{b}, but the volume has {low}:{high}" for axis, a, b, low, high in ends if a < low or b > high
    ]
    return f"is not inside the volume: {'; '.join(outside)}"


def _domain(spec: VolumeSpec, box: Box | str) -> Box:
    """Return the domain along the axes that the text of a box has."""
    spatial = spec.spatial_box(spec.domain)
    return spatial if isinstance(box, str) and box.count(",") + 1 == spatial.ndim else spec.domain
