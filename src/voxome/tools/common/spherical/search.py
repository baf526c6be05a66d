"""Search for spheres in a box, of which the surroundings are known or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.balls import Runs, Scale, ball_reach, ball_runs
from voxome.tools.common.spherical.candidates import CERTAIN, find_candidates, highest_value
from voxome.tools.common.spherical.greedy import fill_ball, select

UM = 1000.0
"""Nanometres in a micrometre."""


@dataclass(frozen=True)
class SphereParams:
    """What is searched for.

    Attributes
    ----------
    radii_nm : tuple of float
        Radii of the spheres, from the smallest.
    gap_nm : float
        How far beyond a sphere voxels are removed with it.
    threshold, stop : float
        Probability up to which a voxel counts as 0, and least mean probability of a sphere.
    scale_nm : (z, y, x)
        Voxel size in nm, in which what is searched for is a sphere: along z that of the volume by `z_stretch`.
    """

    radii_nm: tuple[float, ...]
    gap_nm: float
    threshold: float
    stop: float
    scale_nm: Scale

    @classmethod
    def of(cls, parameters: Mapping[str, Any], scale_nm: Scale) -> SphereParams:
        """Return the parameters of the tools, for voxels of `scale_nm`.

        Raises
        ------
        InvalidInput
            If there is no radius, or one is below the shortest side of a voxel.
        """
        z, y, x = scale_nm
        scale_nm = z / parameters["z_stretch"], y, x
        radii = tuple(sorted({radius * UM for radius in parameters["radii_um"]}))
        if not radii or radii[0] < min(scale_nm):
            size = " × ".join(f"{n:g}" for n in scale_nm)
            raise InvalidInput(
                f"radii_um is {list(parameters['radii_um'])}, and the voxel size {size} nm; expected radii "
                "of at least the shortest side of a voxel: give larger ones, or correct the voxel size"
            )
        return cls(radii, parameters["gap_um"] * UM, parameters["threshold"], parameters["stop"], scale_nm)

    @cached_property
    def balls(self) -> tuple[Runs, ...]:
        """Voxels of a sphere of each radius."""
        return tuple(ball_runs(radius, self.scale_nm) for radius in self.radii_nm)

    @cached_property
    def removed(self) -> tuple[Runs, ...]:
        """Voxels that a sphere of each radius removes."""
        return tuple(ball_runs(radius + self.gap_nm, self.scale_nm) for radius in self.radii_nm)

    @property
    def reach(self) -> tuple[int, int, int]:
        """Voxels from the centre to the end of the largest sphere."""
        return ball_reach(self.radii_nm[-1], self.scale_nm)

    @property
    def removal_reach(self) -> tuple[int, int, int]:
        """Voxels from the centre to the end of what the largest sphere removes."""
        return ball_reach(self.radii_nm[-1] + self.gap_nm, self.scale_nm)

    @property
    def halo(self) -> tuple[int, int, int]:
        """Voxels around a box, so that most spheres in it can be decided on, and the best one always can."""
        z, y, x = (3 * r + 2 * g + 1 for r, g in zip(self.reach, self.removal_reach, strict=True))
        return z, y, x

    def find_number(self, radius_nm: float) -> int:
        """Return the number of a radius.

        Raises
        ------
        InvalidInput
            If it is none of `radii_nm`.
        """
        if radius_nm not in self.radii_nm:
            raise InvalidInput(
                f"A sphere has a radius of {radius_nm:g} nm, which is not among those of this step, "
                f"{', '.join(f'{r:g}' for r in self.radii_nm)}; give both steps the same radii_um"
            )
        return self.radii_nm.index(radius_nm)


@dataclass(frozen=True)
class Spheres:
    """The outcome of a search in a box.

    Attributes
    ----------
    rows : Rows
        ``z``, ``y``, ``x`` (int64, voxel of the centre), ``radius_nm`` (float64), ``total`` and ``voxels`` (int64, sum
        of the probabilities of its voxels that were left, and number of its voxels inside the box of the run), in the
        order of selection.
    undecided : (n, 3) int64
        Voxels where a sphere may be, depending on what is beyond the box.
    """

    rows: Rows
    undecided: NDArray[np.int64]


def search(
    probability: NDArray[np.uint8], read: Box, box: Box, params: SphereParams, known: Rows | None = None
) -> Spheres:
    """Find spheres: the one with the highest sum by the root of its voxels first, then the best in what is left.

    Parameters
    ----------
    probability : (z, y, x) uint8
        Probabilities of the voxels of `read`; 255 is certain.
    read, box : Box
        Voxels that are known, and voxels of the run, beyond which there is nothing.
    params : SphereParams
        What is searched for.
    known : Rows, optional
        Spheres that have been found and are removed first.

    Returns
    -------
    Spheres
        Those of `box` with centres in `read`, as far as they do not depend on voxels beyond it.
    """
    seen = read & box
    values = _left(probability[seen.within(read)], seen, params, known)
    centres, doubtful = _centres(seen, box, params.reach), np.full(values.shape, CERTAIN, np.uint8)
    doubtful[_centres(seen, box, _sum(params.reach, params.removal_reach)).within(Box.of_shape(seen.shape))] = 0
    candidates = find_candidates(values, params.balls, centres, params.stop)
    result = select(values, doubtful, candidates, params.balls, params.removed, params.stop)
    balls = result.selected
    places = _points(balls.places, seen)
    rows = dict(zip("zyx", places.T, strict=True)) | {
        "radius_nm": np.array(params.radii_nm)[balls.sizes],
        "total": balls.totals.astype(np.int64),
        "voxels": balls.counts.astype(np.int64),
    }
    return Spheres(rows, _points(result.undecided, seen))


def has_candidates(
    probability: NDArray[np.uint8], centres: Box, box: Box, params: SphereParams, known: Rows | None = None
) -> bool:
    """Return whether there may be spheres with centres in a box, beside those that are known.

    Parameters
    ----------
    probability : (z, y, x) uint8
        Probabilities of the voxels of `centres`, grown by ``params.reach`` and clipped to `box`.
    centres, box : Box
        Where to look, and voxels of the run, beyond which there is nothing.
    params : SphereParams
        What is searched for.
    known : Rows, optional
        Spheres that have been found.
    """
    seen = centres.grow(params.reach) & box
    values = _left(probability, seen, params, known)
    return len(find_candidates(values, params.balls, centres.shift([-n for n in seen.start]), params.stop).places) > 0


def _left(probability: NDArray[np.uint8], seen: Box, params: SphereParams, known: Rows | None) -> NDArray[np.uint8]:
    """Return the probabilities that count, and that spheres have left."""
    values = np.ascontiguousarray(probability).copy()
    values[values <= highest_value(params.threshold)] = 0
    for z, y, x, radius in _columns(known) if known is not None else ():
        gone = params.removed[params.find_number(radius)]
        fill_ball(values, gone, z - seen.start[0], y - seen.start[1], x - seen.start[2], 0)
    return values


def _columns(rows: Rows) -> zip[tuple[int, int, int, float]]:
    return zip(*(rows[name].tolist() for name in ("z", "y", "x", "radius_nm")), strict=True)


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _centres(seen: Box, box: Box, margin: tuple[int, ...]) -> Box:
    """Return the indices in `seen` that are more than `margin` from its faces, except where `box` ends."""
    sides = zip(seen.start, seen.stop, box.start, box.stop, margin, strict=True)
    low, high = zip(
        *((0 if a == first else m, b - a if b == last else b - a - m) for a, b, first, last, m in sides), strict=True
    )
    return Box(low, tuple(max(a, b) for a, b in zip(low, high, strict=True))) & Box.of_shape(seen.shape)


def _points(places: NDArray[np.int64], seen: Box) -> NDArray[np.int64]:
    points: NDArray[np.int64] = np.stack(np.unravel_index(places, seen.shape), axis=-1) + np.array(seen.start)
    return points
