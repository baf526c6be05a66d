"""Levels of a pyramid: their description and order, and the spec of a coarser one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voxome.contracts.arguments import require_count
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidInput, NotFound
from voxome.geometry.notation import comma_text

Lengths = tuple[float, float, float]
"""Lengths along z, y, x."""

MOST_LEVELS = 256
"""Most levels of a pyramid: halving 2^63 voxels along one axis at a time takes 189."""
TOLERANCE = 0.02
"""How far the ratio of two voxel sizes may be from a whole number, relatively: stores write rounded sizes."""


@dataclass(frozen=True)
class Level:
    """One level of a pyramid, as its store describes it.

    Attributes
    ----------
    voxel_size_nm : (z, y, x) or None
        Edge lengths of its voxels in nm; None where the store does not say.
    offset_nm : (z, y, x)
        Position of the centre of its voxel index 0, in nm.
    scale : (z, y, x) of int, or None
        Voxels of level 0 along one of its voxels; None where that is not a whole number along every axis, or unknown.
    """

    voxel_size_nm: Lengths | None
    offset_nm: Lengths = (0.0, 0.0, 0.0)
    scale: Scale | None = None


def coarser(spec: VolumeSpec, scale: Scale) -> VolumeSpec:
    """Return the spec of a level whose voxel i covers the voxels ``i * scale`` to ``(i + 1) * scale`` of `spec`.

    Parameters
    ----------
    spec : VolumeSpec
        Spec of the finest level, with axes z, y, x among others.
    scale : (z, y, x)
        Its voxels along one voxel of the level.
    """
    domain, fine = spec.lift(spec.frame.coarsen(scale)), spec.voxel_size_nm
    if fine is None:
        return spec.replace(domain=domain)
    size = (fine[0] * scale[0], fine[1] * scale[1], fine[2] * scale[2])
    return spec.replace(domain=domain, voxel_size_nm=size, offset_nm=offset_at_corner(size, fine, spec.offset_nm))


def offset_at_corner(coarse: Lengths, fine: Lengths, offset: Lengths = (0.0, 0.0, 0.0)) -> Lengths:
    """Return the centre of voxel 0 of a level whose voxel 0 begins where that of the finest level does.

    Parameters
    ----------
    coarse, fine : (z, y, x)
        Voxel sizes of the level and of the finest one, in nm.
    offset : (z, y, x)
        Centre of voxel 0 of the finest level, in nm.

    Examples
    --------
    >>> offset_at_corner((40, 8, 8), (40, 4, 4))
    (0.0, 2.0, 2.0)
    """
    z, y, x = (o + (c - f) / 2 for o, c, f in zip(offset, coarse, fine, strict=True))
    return (z, y, x)


def scale_between(coarse: Sequence[float] | None, fine: Sequence[float] | None) -> Scale | None:
    """Return how many voxels of size `fine` lie along one of size `coarse` (z, y, x, in one unit).

    None if a size is unknown, or a ratio differs by more than 2 % from a whole number.

    Examples
    --------
    >>> scale_between((40, 8.02, 8), (40, 4, 4)), scale_between((60, 8, 8), (40, 4, 4))
    ((1, 2, 2), None)
    """
    if coarse is None or fine is None:
        return None
    ratios = [a / b for a, b in zip(coarse, fine, strict=True)]
    z, y, x = (max(1, round(ratio)) for ratio in ratios)
    close = (math.isclose(ratio, n, rel_tol=TOLERANCE) for ratio, n in zip(ratios, (z, y, x), strict=True))
    return (z, y, x) if all(close) else None


def finest_first(sizes: Sequence[Sequence[float] | None]) -> list[int]:
    """Return the numbers of levels in the order of their voxel sizes, the smallest first.

    Levels of equal size keep their order; one of unknown size (None) stays after the level before it.

    Examples
    --------
    >>> finest_first([(40, 16, 16), (40, 4, 4), (40, 8, 8)]), finest_first([(1, 1, 1), None, (4, 4, 4)])
    ([1, 2, 0], [0, 1, 2])
    """
    volumes: list[float] = []
    for size in sizes:
        volumes.append(math.prod(size) if size is not None else volumes[-1] if volumes else 0.0)
    return sorted(range(len(sizes)), key=volumes.__getitem__)


def require_plausible_count(count: int) -> None:
    """Refuse metadata that list more levels than a pyramid can have, each of which costs time whenever it is opened.

    Raises
    ------
    ValueError
    """
    if count > MOST_LEVELS:
        raise ValueError(f"{count:,} levels are listed; at most {MOST_LEVELS} are read")


def require_level(name: str, number: int, count: int) -> None:
    """Raise unless a pyramid of `count` levels has level `number`.

    Raises
    ------
    InvalidInput
        If the number is not a whole one of at least 0.
    NotFound
        If it does not.
    """
    if not 0 <= require_count("level", number, 0) < count:
        raise NotFound(f"{name} has no level {number}: its levels are 0 to {count - 1}")


def require_scale(name: str, levels: Sequence[Level], number: int) -> Scale:
    """Return the scale of level `number`, which coarsening needs.

    Raises
    ------
    InvalidInput
        If its voxels are not whole multiples of those of level 0.
    """
    require_level(name, number, len(levels))
    scale = levels[number].scale
    if scale is None:
        sizes = [levels[n].voxel_size_nm for n in (number, 0)]
        raise InvalidInput(
            f"{name}: the voxels of level {number}, {_text(sizes[0])}, are not whole multiples of those of level 0, "
            f"{_text(sizes[1])}; such a level can be read, but cannot be downsampled further"
        )
    return scale


def require_coarser(name: str, levels: Sequence[Level], scale: Scale) -> None:
    """Raise unless a new level of `scale` would be coarser than all `levels`.

    Raises
    ------
    InvalidInput
        If it is finer along an axis, or no coarser at all.
    """
    last = require_scale(name, levels, len(levels) - 1)
    if len(scale) != 3 or any(new < old for new, old in zip(scale, last, strict=True)) or scale == last:
        raise InvalidInput(f"{name}: a new level must be coarser than {last} (z, y, x), not {scale}")


def _text(size: Sequence[float] | None) -> str:
    return "of unknown size" if size is None else comma_text(size) + " nm (z, y, x)"
