"""Chunks and blocks: two jobs must never write one chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voxome.contracts.kinds import Target
from voxome.contracts.spec import Scale, VolumeSpec

_LONGEST_EDGE = 256
"""Longest edge of a block with small divisors only that is one chunk."""


def chunk_of(block: tuple[int, ...], edge: int) -> tuple[int, ...]:
    """Return a chunk that divides `block`.

    Its edges are at most `edge` voxels, or those of the block where they have only small divisors.

    Examples
    --------
    >>> chunk_of((64, 128, 125), 64)
    (64, 64, 125)
    """
    return tuple(_divisor(length, edge) for length in block)


def _divisor(length: int, edge: int) -> int:
    best = max(d for d in range(1, min(length, edge) + 1) if length % d == 0)
    return best if best >= edge // 2 or length > _LONGEST_EDGE else length


def chunk_problems(target: Target, spec: VolumeSpec, scale: Scale) -> Iterator[str]:
    """Yield why blocks of a step would share chunks of an existing array, with the nearest block that would not.

    Parameters
    ----------
    target : Target
        What is to be written.
    spec : VolumeSpec
        Of the array.
    scale : (z, y, x)
        Voxels of the step along one voxel of the array.
    """
    if target.frame is None:
        return
    chunk = spec.write_chunk or (1,) * spec.domain.ndim
    grid = [chunk[axis] * factor for axis, factor in zip(spec.spatial, scale, strict=True)]
    sides = list(zip(target.block, grid, target.frame.domain.shape, strict=True))
    off = [side % edge != 0 and side < length for side, edge, length in sides]
    if any(off):
        pairs = zip(target.block, grid, off, strict=True)
        nearest = [max(1, round(side / edge)) * edge if bad else side for side, edge, bad in pairs]
        yield (
            f"the block {_text(target.block)} does not match the chunks of {target.uri}, which are {_text(grid)}; the "
            f"nearest block that does is --block {_text(nearest)}"
        )


def _text(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
