"""Kernels of Gaussian derivatives, and correlation with them along one axis."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

TRUNCATION = 4.0
"""Standard deviations after which a kernel ends."""
MIN_SIGMA = 0.05
"""Least standard deviation in voxels; kernels narrower than half a voxel are differences of neighbours."""


def kernel_reach(sigma: float) -> int:
    """Return how many voxels the kernels of a standard deviation reach from their centre.

    Examples
    --------
    >>> kernel_reach(3.0), kernel_reach(0.1)
    (12, 1)
    """
    return max(1, int(TRUNCATION * sigma + 0.5))


def derivative_kernel(sigma: float, order: int) -> NDArray[np.float32]:
    """Return the derivative of a Gaussian, times sigma for each order, to correlate with.

    Sampled derivatives of narrow Gaussians are neither 0 for constants nor right for slopes. Here the response to a
    constant is 0 for orders 1 and 2, that to x is sigma for order 1, and that to x²/2 is sigma² for order 2.

    Parameters
    ----------
    sigma : float
        Standard deviation in voxels.
    order : {0, 1, 2}
        Order of the derivative.

    Examples
    --------
    >>> kernel, x = derivative_kernel(0.7, 2), np.arange(-3, 4)
    >>> abs(round(float(kernel.sum()), 6)), round(float((kernel * x**2 / 2).sum()), 6)
    (0.0, 0.49)
    """
    reach = kernel_reach(sigma)
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    gauss = np.exp(-(x**2) / (2 * sigma**2))
    gauss /= gauss.sum()
    if order == 0:
        return gauss.astype(np.float32)
    if order == 1:
        slope = x * gauss
        return (sigma * slope / (slope * x).sum()).astype(np.float32)
    curvature = (x**2 / sigma**2 - 1) * gauss
    curvature -= curvature.sum() * gauss
    curvature[reach] -= curvature.sum()
    return (sigma**2 * curvature / (curvature * x**2 / 2).sum()).astype(np.float32)


def correlate(image: NDArray[np.float32], kernel: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Correlate an image (z, y, x) with a kernel along one axis, where it fits: the axis gets shorter.

    A voxel of the result has the same bits wherever the image begins and ends.
    """
    shape = list(image.shape)
    shape[axis] -= len(kernel) - 1
    result = np.zeros(shape, np.float32)
    _correlate(np.ascontiguousarray(image), kernel, axis, result)
    return result


@numba.njit(cache=True, nogil=True)
def _correlate(image: NDArray[np.float32], kernel: NDArray[np.float32], axis: int, result: NDArray[np.float32]) -> None:
    width = result.shape[2]
    for z in range(result.shape[0]):
        for y in range(result.shape[1]):
            row = result[z, y]
            for k in range(len(kernel)):
                weight = kernel[k]
                if axis == 0:
                    source = image[z + k, y]
                elif axis == 1:
                    source = image[z, y + k]
                else:
                    source = image[z, y, k:]
                for x in range(width):
                    row[x] += weight * source[x]
