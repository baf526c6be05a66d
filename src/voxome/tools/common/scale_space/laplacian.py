"""Scale-normalised Laplacian of Gaussians of a volume with voxels of any shape."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.tools.common.faces import long_axes

TRUNCATION = 4.0
"""Standard deviations after which a kernel ends."""
MIN_SIGMA = 0.7
"""Standard deviation in voxels below which sampled kernels are no Gaussians."""
_BALL = {
    1: 2 / math.sqrt(2 * math.pi) * math.exp(-0.5),
    2: 2 * math.exp(-1),
    3: 4 * math.pi * 3**1.5 / (2 * math.pi) ** 1.5 * math.exp(-1.5),
}
"""Dimensions → response at the centre of a ball of contrast 1, at the scale that suits it: the flux through it."""


def sigmas_of(
    radius_nm: float, scale_nm: tuple[float, float, float], dimensions: int = 3
) -> tuple[float, float, float]:
    """Return the standard deviations, in voxels, at which a ball has the strongest response: radius / √dimensions."""
    z, y, x = (radius_nm / math.sqrt(dimensions) / size for size in scale_nm)
    return z, y, x


def kernel_reach(sigma: float) -> int:
    """Return how many voxels a kernel reaches from its centre."""
    return math.ceil(TRUNCATION * sigma)


def gaussian_kernels(sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a Gaussian with sum 1, and its second derivative, which is exact for constants and parabolas.

    Sampled derivatives of narrow Gaussians do not add up to 0, so that a constant has a response; here the sum is
    removed, and the response to x²/2 is 1.

    Examples
    --------
    >>> gauss, second = gaussian_kernels(0.7)
    >>> x = np.arange(-3, 4)
    >>> abs(round(float(second.sum()), 12)), round(float((second * x**2 / 2).sum()), 12)
    (0.0, 1.0)
    """
    reach = kernel_reach(sigma)
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    gauss = np.exp(-(x**2) / (2 * sigma**2))
    gauss /= gauss.sum()
    second = (x**2 / sigma**2 - 1) * gauss
    second -= second.sum() * gauss
    second /= (second * x**2 / 2).sum()
    return gauss, second


def ball_contrast(image: NDArray[np.float32], sigmas: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return, for every voxel, by how much a ball around it is brighter than its surroundings.

    Parameters
    ----------
    image : (z, y, x) float32
        Grey values. Beyond the faces the nearest voxel is repeated.
    sigmas : (z, y, x)
        Standard deviations in voxels; see `sigmas_of`.

    Returns
    -------
    (z, y, x) float32
        Minus the Laplacian times the variance, relative to that at the centre of a ball of contrast 1; of a disc if
        there is one section only.
    """
    axes = long_axes(image.shape)
    kernels = {axis: gaussian_kernels(sigmas[axis]) for axis in axes}
    result = np.zeros(image.shape, np.float32)
    for axis in axes:
        part = image
        for other, (gauss, second) in kernels.items():
            part = ndimage.correlate1d(part, second if other == axis else gauss, other, mode="nearest")
        result -= np.float32(sigmas[axis] ** 2 / _BALL[len(axes)]) * part
    return result
