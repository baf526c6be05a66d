"""Density from the distance to the k-th nearest cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from voxome.tools.common.density.grid import NM3_PER_MM3
from voxome.tools.common.density.intervals import poisson_interval, waiting_interval
from voxome.tools.common.density.kernel import Density

POINTS = 4096
"""Points in a ball at which the tissue is looked up; the error of its volume is about 0.1 %."""


class Section(NamedTuple):
    """The section of a volume that has only one."""

    axis: int
    """Axis across it."""
    middle_nm: float
    """Position of its middle along this axis."""
    thickness_nm: float

    def flatten(self, position_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions (n, 3) in the middle of the section."""
        result = position_nm.copy()
        result[:, self.axis] = self.middle_nm
        return result


def neighbour_density(
    place_nm: NDArray[np.float64],
    cells_nm: NDArray[np.float64],
    has_tissue: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    *,
    k: int,
    reach_nm: float,
    section: Section | None = None,
) -> Density:
    """Return the density at places from the ball up to the k-th nearest cell, at most as large as `reach_nm`.

    It is ``(k - 1) / V``, where V is the volume of the tissue in the ball, not of the whole ball: for a constant
    density this is unbiased, at faces and beside masks too, while ``k / V`` is too large. Where fewer than k cells are
    in reach it is their number over the volume in reach, with which the estimate as a whole stays unbiased.

    Parameters
    ----------
    place_nm : (n, 3) float64
        Places z, y, x.
    cells_nm : (m, 3) float64
        All cells in tissue within `reach_nm` of the places.
    has_tissue : function of positions (p, 3)
        Whether there is tissue.
    k : int
        Number of the neighbour, at least 2; the relative error is about ``1 / sqrt(k - 2)``.
    reach_nm : float
        Largest radius.
    section : Section, optional
        If the volume has one section only. Then distances are those in it, and a disc as thick as the section takes the
        place of the ball, however thick that is.

    Returns
    -------
    Density
    """
    if section is not None:
        place_nm, cells_nm = (section.flatten(positions) for positions in (place_nm, cells_nm))
    radius = np.full(len(place_nm), reach_nm)
    count = np.zeros(len(place_nm), np.int64)
    if len(cells_nm) and len(place_nm):
        distance, _ = KDTree(cells_nm).query(place_nm, k=list(range(1, k + 1)))
        near = distance <= reach_nm
        count = near.sum(axis=1)
        radius = np.where(near[:, -1], distance[:, -1], reach_nm)
    ball = _points_in_ball() if section is None else _points_in_disc(section.axis)
    share = np.array([has_tissue(place + r * ball).mean() for place, r in zip(place_nm, radius.tolist(), strict=True)])
    whole = 4 / 3 * np.pi * radius**3 if section is None else np.pi * radius**2 * section.thickness_nm
    volume = share.reshape(-1) * whole / NM3_PER_MM3
    known = volume > 0
    safe = np.where(known, volume, 1.0)
    full = count == k
    rate = (count - full) / safe
    low, high = (
        np.where(full, waiting, counted)
        for waiting, counted in zip(waiting_interval(k, safe), poisson_interval(count, safe), strict=True)
    )
    return Density(*(np.where(known, values, np.nan) for values in (rate, low, high)))


def _spread(root: float, dimensions: int) -> NDArray[np.float64]:
    """Return coordinates (dimensions, points) that are evenly spread from 0 to 1."""
    steps = root ** -np.arange(1, dimensions + 1)
    return ((0.5 + np.arange(1, POINTS + 1)[:, None] * steps) % 1).T


def _points_in_disc(axis: int) -> NDArray[np.float64]:
    """Return evenly spread points in the unit disc across an axis: the R2 sequence, mapped to polar coordinates."""
    u, v = _spread(1.324717957244746, 2)  # the root of x^3 = x + 1
    r, phi = np.sqrt(u), 2 * np.pi * v
    return np.insert(np.stack([r * np.cos(phi), r * np.sin(phi)], axis=1), axis, 0.0, axis=1)


def _points_in_ball() -> NDArray[np.float64]:
    """Return evenly spread points in the unit ball: the R3 sequence (Roberts 2018), mapped to spherical coordinates."""
    root = 1.2207440846057596  # of x^4 = x + 1
    u, v, w = _spread(root, 3)
    r, cos, phi = np.cbrt(u), 1 - 2 * v, 2 * np.pi * w
    sin = np.sqrt(1 - cos**2)
    return np.stack([r * cos, r * sin * np.cos(phi), r * sin * np.sin(phi)], axis=1)
