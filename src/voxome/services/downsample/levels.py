"""The levels of a pyramid: which are missing, and their creation."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from voxome.contracts.abilities import SupportsFixedScales, SupportsLevelOffset, SupportsLevels, ability
from voxome.contracts.levels import require_scale
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry.notation import comma_text
from voxome.resources.coarsening import halving

_LOG = logging.getLogger(__name__)
_EDGE = 64
"""Edge length of the chunks that an array without chunks is taken to have, in voxels."""


@dataclass(frozen=True)
class LevelChoice:
    """Which levels a pyramid is to have.

    Attributes
    ----------
    count : int or None
        Number of levels, the finest included; None for as many as it takes until one fits into a chunk.
    factors : tuple of (z, y, x)
        Factors from each level to the next; the last holds for all others. Without any, the finest axes are halved.
    """

    count: int | None = None
    factors: tuple[Scale, ...] = ()

    def next_factors(self, number: int, spec: VolumeSpec, scale: Scale) -> Scale:
        """Return the factors from a level of `scale` to level `number`; all 1 if it cannot be coarser.

        Axes of one voxel are kept.
        """
        flat = [n == 1 for n in spec.frame.coarsen(scale).shape]
        if self.factors:
            chosen = self.factors[min(number, len(self.factors)) - 1]
        else:
            size = spec.voxel_size_nm or (1.0, 1.0, 1.0)
            longest = max(length * n for length, n in zip(size, scale, strict=True))
            chosen = halving(
                [8 * longest if one else length * n for length, n, one in zip(size, scale, flat, strict=True)]
            )
        z, y, x = (1 if one else n for n, one in zip(chosen, flat, strict=True))
        return z, y, x

    def is_complete(self, count: int, spec: VolumeSpec, scale: Scale) -> bool:
        """Return whether a pyramid of so many levels, the last one of `scale`, needs no other."""
        if self.count is not None:
            return count >= self.count
        chunk = spatial_chunk(spec, spec.read_chunk)
        return all(n <= c for n, c in zip(spec.frame.coarsen(scale).shape, chunk, strict=True))


def spatial_chunk(spec: VolumeSpec, chunk: Sequence[int] | None) -> Scale:
    """Return the shape of a chunk along z, y, x; 64 where the array is not divided."""
    if chunk is None:
        return _EDGE, _EDGE, _EDGE
    z, y, x = (chunk[axis] for axis in spec.spatial)
    return z, y, x


def require_pyramid(name: str, target: VolumeSource) -> SupportsLevels:
    """Return the pyramid that a volume is the finest level of.

    Raises
    ------
    UnsupportedFormat
        If its store has none.
    InvalidInput
        If it lacks one of the axes z, y, x.
    """
    _ = target.spec.frame
    pyramid = ability(target, SupportsLevels)
    if pyramid is None:
        raise UnsupportedFormat(
            f"{name or 'the array'} cannot have levels; write a copy that has, with out='zarr://…' (--out)"
        )
    return pyramid


def known_scales(name: str, pyramid: SupportsLevels, count: int | None = None) -> list[Scale]:
    """Return the scales of all levels that there are, or of the `count` finest.

    Raises
    ------
    InvalidInput
        If one is not a whole multiple of the level before.
    """
    levels = pyramid.levels
    scales = [require_scale(name, levels, number) for number in range(len(levels) if count is None else count)]
    for number, (before, scale) in enumerate(pairwise(scales), 1):
        if any(b % a for a, b in zip(before, scale, strict=True)):
            raise InvalidInput(
                f"{name}: level {number} has the scale {scale} (z, y, x), which is not a multiple of {before}, the "
                "scale of the level before; remove it, or write a copy with out='zarr://…' (--out)"
            )
    return scales


def missing_scales(name: str, target: VolumeSource, pyramid: SupportsLevels, choice: LevelChoice) -> Iterator[Scale]:
    """Yield the scale of each level that is missing, which the caller then creates."""
    spec = target.spec
    while True:
        scale = known_scales(name, pyramid)[-1]
        count = len(pyramid.levels)
        if choice.is_complete(count, spec, scale):
            return
        factors = choice.next_factors(count, spec, scale)
        fixed = ability(target, SupportsFixedScales)
        z, y, x = (n * f for n, f in zip(scale, factors, strict=True))
        new = (z, y, x)
        if fixed is not None:
            new = _require_fixed(name, fixed.next_scale, new if choice.factors else None)
        if new == scale or spec.frame.coarsen(new) == spec.frame.coarsen(scale):
            if choice.count is not None:
                _LOG.warning("%s has %d levels, not %d: the last is one voxel", name, count, choice.count)
            return
        yield new


def _require_fixed(name: str, fixed: Scale, wanted: Scale | None) -> Scale:
    if wanted not in (None, fixed):
        raise InvalidInput(
            f"{name}: its store determines the scales of levels; the next is {fixed} (z, y, x), not {wanted}: "
            "leave out the factors"
        )
    return fixed


def create_level(name: str, target: VolumeSource, pyramid: SupportsLevels, scale: Scale, *, at_first: bool) -> None:
    """Create a level.

    Parameters
    ----------
    name : str
        Name of the volume, for messages.
    target, pyramid : VolumeSource, SupportsLevels
        The volume.
    scale : (z, y, x)
        Scale of the level.
    at_first : bool
        Whether its voxels are where the first voxels of its cells are, as those of ``stride``, and not in the middle.
    """
    placed = ability(target, SupportsLevelOffset) if at_first else None
    if placed is not None:
        placed.create_level_at(scale, target.spec.offset_nm)
        return
    created = pyramid.create_level(scale)
    if at_first and not np.allclose(created.spec.offset_nm, target.spec.offset_nm):
        _LOG.warning(
            "%s cannot record that the voxels of level %d are the first of their cells: they are placed at %s nm, not "
            "%s nm, up to half a voxel of that level away",
            name,
            len(pyramid.levels) - 1,
            comma_text(created.spec.offset_nm),
            comma_text(target.spec.offset_nm),
        )
