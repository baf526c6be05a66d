"""What reads cost a store, which sends or decodes whole chunks: the chunks touched, and their size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voxome.contracts.abilities import SupportsRequests, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.geometry import BlockGrid, Box
from voxome.geometry.notation import comma_text

WARN_ABOVE = 8.0
"""Amplification above which users are warned."""

Span = tuple[int, int]
"""First index, and one past the last."""


@dataclass(frozen=True)
class ReadCost:
    """Chunks that reads touch.

    Attributes
    ----------
    chunks : int
        Number of chunks touched; a chunk that several reads touch counts for each.
    wanted_bytes : int
        Size of the voxels wanted, uncompressed.
    read_bytes : int
        Size of the chunks touched, uncompressed, without what lies outside the volume.
    """

    chunks: int
    wanted_bytes: int
    read_bytes: int

    @property
    def amplification(self) -> float:
        """Bytes read for each byte wanted."""
        return self.read_bytes / self.wanted_bytes if self.wanted_bytes else 1.0


def box_cost(spec: VolumeSpec, box: Box, origin: Sequence[int] | None = None) -> ReadCost:
    """Return the cost of reading one box.

    Parameters
    ----------
    spec : VolumeSpec
        Spec of the volume; an array that is not divided into chunks is taken to read exactly what is wanted.
    box : Box
        Part of its domain.
    origin : tuple of int, optional
        Index at which a chunk begins; the start of the domain if None.

    Examples
    --------
    >>> spec = VolumeSpec.of((64, 64, 64), "uint8", chunk=(16, 32, 32))
    >>> box_cost(spec, Box((0, 0, 0), (8, 8, 40)))
    ReadCost(chunks=2, wanted_bytes=2560, read_bytes=32768)
    """
    return _cost(spec, [[span] for span in zip(box.start, box.stop, strict=True)], origin)


def grid_cost(spec: VolumeSpec, grid: BlockGrid, origin: Sequence[int] | None = None) -> ReadCost:
    """Return the cost of reading every block of a grid, with its halo, once.

    Parameters
    ----------
    spec : VolumeSpec
        Spec of the volume.
    grid : BlockGrid
        Blocks inside its domain.
    origin : tuple of int, optional
        Index at which a chunk begins; the start of the domain if None.
    """
    return _cost(spec, [list(_spans(grid, axis)) for axis in range(len(grid.shape))], origin)


def chunk_origin(source: VolumeSource) -> tuple[int, ...]:
    """Return the index at which a chunk of a source begins; the start of the domain, unless its server differs."""
    served = ability(source, SupportsRequests)
    return source.spec.domain.start if served is None else served.chunk_origin


def ratio_text(ratio: float) -> str:
    """Return a ratio with three digits, or as a whole number if it has more."""
    return f"{ratio:,.0f}" if ratio >= 1000 else f"{ratio:.3g}"


def cost_warning(name: str, what: str, spec: VolumeSpec, amplification: float) -> str:
    """Return the warning for reads that read much more than they want.

    Parameters
    ----------
    name : str
        Name of the volume.
    what : str
        What reads it, as in "blocks of 16,64,64 voxels".
    spec : VolumeSpec
        Spec of the volume.
    amplification : float
        Bytes read for each byte wanted.
    """
    chunk, ratio = comma_text(spec.read_chunk or ()), ratio_text(amplification)
    return (
        f"{name}: {what} read {ratio} bytes for each byte wanted, because its chunks have {chunk} voxels; "
        "use boxes that are longer where the chunks are, or copy it to smaller chunks (`voxome transfer … --chunk`)"
    )


def _spans(grid: BlockGrid, axis: int) -> Iterable[Span]:
    """Yield what the blocks along one axis read."""
    for number in range(grid.shape[axis]):
        cell = [number if other == axis else 0 for other in range(len(grid.shape))]
        read = grid[grid.index_at(cell)].read
        yield read.start[axis], read.stop[axis]


def _cost(spec: VolumeSpec, spans: Sequence[Sequence[Span]], origin: Sequence[int] | None) -> ReadCost:
    """Return the cost of all boxes that combine one span of every axis."""
    wanted = math.prod(sum(stop - start for start, stop in axis) for axis in spans) * spec.dtype.itemsize
    if spec.read_chunk is None:
        return ReadCost(math.prod(map(len, spans)), wanted, wanted)
    counts, voxels = [], []
    for axis, along in enumerate(spans):
        chunk, first = spec.read_chunk[axis], (origin or spec.domain.start)[axis]
        low, high = spec.domain.start[axis], spec.domain.stop[axis]
        touched = [_touched(start - first, stop - first, chunk) for start, stop in along]
        counts.append(sum(stop - start for start, stop in touched))
        voxels.append(sum(min(high, first + b * chunk) - max(low, first + a * chunk) for a, b in touched if b > a))
    return ReadCost(math.prod(counts), wanted, math.prod(voxels) * spec.dtype.itemsize)


def _touched(start: int, stop: int, chunk: int) -> Span:
    """Return the numbers of the chunks that a span touches."""
    return start // chunk, -(-stop // chunk) if stop > start else start // chunk
