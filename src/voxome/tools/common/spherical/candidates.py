"""Balls whose mean is high enough, from exact sums over all balls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from voxome.geometry import Box
from voxome.tools.common.balls import Runs, paint_ball

_TILE = 96
"""Voxels along an axis of a part that is transformed at once."""
CERTAIN = 255
_DTYPES = (np.int64, np.int16, np.int32, np.int32)
"""Of the columns of `Balls`; a ball of 100 voxels radius, the largest, has a sum of 10⁹."""


def highest_value(fraction: float) -> int:
    """Return the highest value of a probability that is not above a fraction.

    Examples
    --------
    >>> highest_value(0.2), highest_value(0.5), highest_value(0.7)
    (51, 127, 178)
    """
    return math.floor(CERTAIN * fraction * (1 + 1e-9))


@dataclass(frozen=True)
class Balls:
    """Positions and sums of balls.

    Attributes
    ----------
    places : (n,) int64
        Positions of the centres in the array, in C order.
    sizes : (n,) int16
        Numbers of the radii.
    totals, counts : (n,) int32
        Sum of the values in each ball, and its number of voxels inside the array.
    """

    places: NDArray[np.int64]
    sizes: NDArray[np.int16]
    totals: NDArray[np.int32]
    counts: NDArray[np.int32]

    @classmethod
    def join(cls, parts: Sequence[Balls]) -> Balls:
        """Return all balls of parts."""
        columns = zip(*((p.places, p.sizes, p.totals, p.counts) for p in parts), strict=True) if parts else ()
        joined = [np.concatenate(column) for column in columns] or [np.empty(0, dtype) for dtype in _DTYPES]
        return cls(*joined)


def find_candidates(values: NDArray[np.uint8], balls: Sequence[Runs], centres: Box, stop: float) -> Balls:
    """Return the balls with a mean of at least `stop`.

    Parameters
    ----------
    values : (z, y, x) uint8
        Probabilities; 255 is certain.
    balls : sequence of (n, 3) int64
        Voxels of a ball of each size.
    centres : Box
        Centres to look at, as indices of `values`. Voxels outside `values` do not count.
    stop : float
        Least mean, as a fraction of certainty.

    Returns
    -------
    Balls

    Notes
    -----
    Sums of integers are computed by Fourier transforms in float64, whose error is far below 1/2, and rounded.
    """
    reach = [max(int(np.abs(runs[:, axis]).max()) for runs in balls) for axis in range(3)]
    z, y, x = (fft.next_fast_len(min(_TILE, n) + 2 * r, real=True) for n, r in zip(centres.shape, reach, strict=True))
    shape = (z, y, x)
    spectra = [fft.rfftn(paint_ball(runs, shape)).real for runs in balls]
    parts = []
    for tile in _tiles(centres):
        around = tile.grow(reach) & Box.of_shape(values.shape)
        patch = values[around.within(Box.of_shape(values.shape))]
        if not patch.any():
            continue
        spectrum = fft.rfftn(patch.astype(np.float64), shape)
        inner = tile.within(around)
        for size, (runs, ball) in enumerate(zip(balls, spectra, strict=True)):
            sums = fft.irfftn(spectrum * ball, shape)[inner]
            full = int((2 * runs[:, 2] + 1).sum())
            places, totals, counts = _keep(sums, np.array(tile.start), np.array(values.shape), runs, full, stop)
            parts.append(Balls(places, np.full(len(places), size, np.int16), totals, counts))
    return Balls.join(parts)


def _tiles(box: Box) -> Iterator[Box]:
    for start in itertools.product(*(range(a, b, _TILE) for a, b in zip(box.start, box.stop, strict=True))):
        yield Box(start, tuple(min(a + _TILE, b) for a, b in zip(start, box.stop, strict=True)))


@numba.njit(cache=True, nogil=True)
def _keep(
    sums: NDArray[np.float64], start: NDArray[np.int64], shape: NDArray[np.int64], runs: Runs, full: int, stop: float
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return places, rounded sums and numbers of voxels of the balls with a mean of at least `stop`."""
    least = stop * CERTAIN
    depth, height, width = -runs[0, 0], np.abs(runs[:, 1]).max(), runs[:, 2].max()
    places, totals, counts = np.empty(sums.size, np.int64), np.empty(sums.size, np.int32), np.empty(sums.size, np.int32)
    found = 0
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            for k in range(sums.shape[2]):
                total = np.int64(np.rint(sums[i, j, k]))
                if total <= 0:
                    continue
                z, y, x = start[0] + i, start[1] + j, start[2] + k
                cut = (
                    z < depth
                    or y < height
                    or x < width
                    or z + depth >= shape[0]
                    or y + height >= shape[1]
                    or x + width >= shape[2]
                )
                count = count_inside(shape, runs, z, y, x) if cut else full
                if total >= least * count:
                    places[found] = (z * shape[1] + y) * shape[2] + x
                    totals[found], counts[found] = total, count
                    found += 1
    return places[:found].copy(), totals[:found].copy(), counts[:found].copy()


@numba.njit(cache=True, nogil=True)
def count_inside(shape: NDArray[np.int64], runs: Runs, z: int, y: int, x: int) -> int:
    """Return how many voxels of a ball at (z, y, x) are inside an array of `shape`."""
    count = 0
    for i in range(len(runs)):
        a, b, half = z + runs[i, 0], y + runs[i, 1], runs[i, 2]
        if 0 <= a < shape[0] and 0 <= b < shape[1]:
            count += max(0, min(x + half, shape[2] - 1) - max(x - half, 0) + 1)
    return count
