"""Height map for the watershed: the distance to membranes.

Heights are computed with integer arithmetic in a bounded neighbourhood, so they are bitwise equal in any read box that
contains the halo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput

_UNIT = 16
"""Squared distances are in units of (1/16 of the finest voxel side) squared."""
_FINE = 1 << 10
"""Heights are in units of 1/16384 of the finest voxel side."""
_BITS = 12
_ONE = 1 << _BITS
"""Sum of the weights of a smoothing kernel."""
MAX_RADIUS = 16
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class HeightParams:
    """Parameters of the height map.

    Attributes
    ----------
    threshold : int
        Value (0-255) from which a voxel is membrane.
    radius : float
        Cap on the distance, in voxels along the finest axis; at most 16.
    depth : float
        Additional height of certain cell interior (0) over certain membrane (255), in voxels along the finest axis; at
        most 8. It places valleys along the middle of thick membranes.
    sigma : float
        Standard deviation of the Gaussian, in voxels along the finest axis.
    spacing : tuple of float
        Size of a voxel along z, y, x relative to the finest axis.
    """

    threshold: int = 128
    radius: float = 12.0
    depth: float = 8.0
    sigma: float = 0.7
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("radius", self.radius, 1, MAX_RADIUS),
            ("depth", self.depth, 0, MAX_DEPTH),
            ("sigma", self.sigma, 0, MAX_RADIUS),
        ):
            if not low <= value <= high:
                raise InvalidInput(f"{name} is {value}; it must be between {low} and {high} voxels")
        if len(self.spacing) != 3 or min(self.spacing) != 1.0:
            raise InvalidInput(f"spacing is {self.spacing}; it must be three sizes, the smallest of which is 1")


def height_halo(params: HeightParams) -> tuple[int, int, int]:
    """Return the halo (z, y, x), in voxels, that `basins` needs on each side of a block."""
    z, y, x = (int(params.radius / s) + int(4 * params.sigma / s) + 1 for s in params.spacing)
    return z, y, x


def height_map(
    membrane: NDArray[np.uint8], params: HeightParams, missing: NDArray[np.bool_] | None = None
) -> NDArray[np.int32]:
    """Compute the smoothed sum of the capped distance to membranes and the inverted membrane map.

    Parameters
    ----------
    membrane : (z, y, x) uint8
        Membrane map; 255 is certain membrane.
    params : HeightParams
        Parameters.
    missing : (z, y, x) bool, optional
        Voxels without data, which are treated as if the array ended there.

    Returns
    -------
    (z, y, x) int32
        Non-negative heights, which increase towards the interior of cells; -1 where data are missing. Exact where the
        array extends by `height_halo` - 1 voxels, or to the border of the domain, on every side.

    Notes
    -----
    The squared Euclidean distance is the minimum over a window, axis by axis (Felzenszwalb and Huttenlocher
    2012, "Distance transforms of sampled functions", eq. 2). Beyond the border of the array there is no membrane, and
    the Gaussian repeats the outermost voxel.
    """
    cap = round((params.radius * _UNIT) ** 2)
    if missing is not None and not missing.any():
        missing = None
    wall = membrane >= params.threshold if missing is None else (membrane >= params.threshold) & ~missing
    heights: NDArray[np.int32] = np.where(wall, 0, cap).astype(np.int32)
    for axis, spacing in enumerate(params.spacing):
        heights = _along(heights, axis, _nearest, _steps(params.radius, spacing))
    roots = np.round(np.sqrt(np.arange(cap + 1)) * _FINE).astype(np.int32)
    inverted = np.round((255 - np.arange(256)) / 255 * params.depth * _UNIT * _FINE).astype(np.int32)
    heights = roots[heights] + inverted[membrane]
    for axis, spacing in enumerate(params.spacing):
        weights = _weights(params.sigma / spacing)
        if missing is not None:
            _repeat(np.moveaxis(heights, axis, 0), np.moveaxis(missing, axis, 0), len(weights) // 2)
        heights = _along(heights, axis, _smooth, weights)
    if missing is not None:
        heights[missing] = -1
    return heights


def _repeat(heights: NDArray[np.int32], missing: NDArray[np.bool_], reach: int) -> None:
    """Repeat the outermost heights along the first axis where data are missing, for `reach` voxels."""
    known = ~missing
    for _ in range(min(reach, len(heights) - 1)):
        before = known.copy()
        for to, of in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            reached = ~known[to] & before[of]
            heights[to][reached] = heights[of][reached]
            known[to] |= reached


def _steps(radius: float, spacing: float) -> NDArray[np.int32]:
    """Return the squared distance of each voxel of the window along an axis."""
    reach = int(radius / spacing)
    squares = (np.arange(-reach, reach + 1) * spacing * _UNIT) ** 2
    return np.round(squares).astype(np.int32)


def _weights(sigma: float) -> NDArray[np.int32]:
    """Return integer Gaussian weights that sum to `_ONE`, truncated at four standard deviations."""
    reach = int(4 * sigma)
    if reach == 0:
        return np.array([_ONE], dtype=np.int32)
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights: NDArray[np.int32] = np.round(_ONE * gauss / gauss.sum()).astype(np.int32)
    weights[reach] += _ONE - weights.sum()
    return weights


def _along(
    array: NDArray[np.int32], axis: int, kernel: Callable[..., None], window: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Apply a window kernel along one axis, to rows of contiguous voxels."""
    last = axis == array.ndim - 1
    source = np.ascontiguousarray(array.swapaxes(1, 2) if last else array)
    n = source.shape[1 if last else axis]
    rows = source.reshape(-1, n, source[0, 0].size if axis else source[0].size)
    out = np.empty_like(rows)
    kernel(rows, window, out)
    result: NDArray[np.int32] = out.reshape(source.shape)
    return np.ascontiguousarray(result.swapaxes(1, 2)) if last else result


@numba.njit(cache=True, nogil=True)
def _nearest(rows: NDArray[np.int32], steps: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    reach = len(steps) // 2
    count, n, _ = rows.shape
    for a in range(count):
        for i in range(n):
            best = out[a, i]
            best[:] = rows[a, i]
            for k in range(max(0, i - reach), min(n, i + reach + 1)):
                step, row = steps[k - i + reach], rows[a, k]
                for j in range(best.size):
                    best[j] = min(best[j], row[j] + step)


@numba.njit(cache=True, nogil=True)
def _smooth(rows: NDArray[np.int32], weights: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    reach = len(weights) // 2
    count, n, _ = rows.shape
    for a in range(count):
        for i in range(n):
            total = out[a, i]
            total[:] = _ONE // 2
            for k in range(len(weights)):
                weight, row = weights[k], rows[a, min(max(i + k - reach, 0), n - 1)]
                for j in range(total.size):
                    total[j] += weight * row[j]
            for j in range(total.size):
                total[j] >>= _BITS
