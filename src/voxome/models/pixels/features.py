"""Features of voxels at several scales, those of ilastik's pixel classification.

Derivatives are normalised by their scale, so that features do not depend on the voxel size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.models.pixels.eigenvalues import eigenvalues
from voxome.models.pixels.kernels import MIN_SIGMA, correlate, derivative_kernel, kernel_reach

FeatureName = Literal["gaussian", "laplacian", "gradient", "difference", "structure", "hessian"]
Scale = tuple[float, float, float]
Shape = tuple[int, int, int]
UM = 1000.0
_NARROWER = 0.66
"""Scale that a difference of Gaussians subtracts, in multiples of its scale."""
_OUTER = 0.5
"""Scale by which the structure tensor is averaged, in multiples of that of its gradients."""

_Map = NDArray[np.float32]
_Orders = tuple[int, int, int]


@dataclass(frozen=True, order=True)
class Feature:
    """A filter at a scale.

    Attributes
    ----------
    sigma_um : float
        Standard deviation in micrometres.
    name : str
        Gaussian, Laplacian of Gaussian, gradient magnitude, difference of Gaussians, or the eigenvalues, largest first,
        of the structure tensor or of the Hessian.
    """

    sigma_um: float
    name: FeatureName

    def count(self, dimensions: int) -> int:
        """Return the number of values of a voxel."""
        return dimensions if self.name in ("structure", "hessian") else 1

    def reach(self, scale_nm: Scale, dimensions: int) -> Shape:
        """Return the voxels (z, y, x) needed on every side: the reaches of all kernels of the chain."""
        sigmas = sigmas_of(self.sigma_um, scale_nm)
        outer = [kernel_reach(_OUTER * sigma) if self.name == "structure" else 0 for sigma in sigmas]
        z, y, x = (kernel_reach(sigma) + more for sigma, more in zip(sigmas, outer, strict=True))
        return (z if dimensions == 3 else 0), y, x


def sigmas_of(sigma_um: float, scale_nm: Scale) -> Scale:
    """Return a standard deviation in voxels along z, y, x.

    Raises
    ------
    InvalidInput
        If it is much less than a voxel.
    """
    z, y, x = (UM * sigma_um / size for size in scale_nm)
    if min(z, y, x) < MIN_SIGMA:
        shown = " × ".join(f"{size:g}" for size in scale_nm)
        raise InvalidInput(
            f"A scale of {sigma_um:g} µm is less than {MIN_SIGMA} voxels of {shown} nm (z, y, x); expected larger "
            "scales, or a level with smaller voxels"
        )
    return z, y, x


def reach_of(features: Sequence[Feature], scale_nm: Scale, dimensions: int) -> Shape:
    """Return the voxels (z, y, x) that features need on every side."""
    z, y, x = (max(sizes) for sizes in zip(*(one.reach(scale_nm, dimensions) for one in features), strict=True))
    return z, y, x


def compute_features(
    image: _Map, reach: Shape, features: Sequence[Feature], scale_nm: Scale, dimensions: int
) -> _Map:  # fmt: skip
    """Compute features of voxels.

    Parameters
    ----------
    image : (z + 2 reach, y + 2 reach, x + 2 reach) float32
        Grey values, with `reach` voxels on every side.
    reach : (z, y, x)
        At least that of `reach_of`.
    features : sequence of Feature
        Features.
    scale_nm : (z, y, x)
        Voxel size.
    dimensions : {2, 3}
        2 if sections are independent of each other.

    Returns
    -------
    (values, z, y, x) float32
        Values of the features, in their order. Each voxel has the same bits wherever the image begins and ends.
    """
    shape = [size - 2 * more for size, more in zip(image.shape, reach, strict=True)]
    result = np.empty((sum(one.count(dimensions) for one in features), *shape), np.float32)
    starts = np.cumsum([0, *(one.count(dimensions) for one in features)])
    for sigma_um, group in itertools.groupby(sorted(enumerate(features), key=lambda one: one[1].sigma_um), _sigma_of):
        chosen = list(group)
        jet = _Jet(image, reach, sigmas_of(sigma_um, scale_nm), dimensions, {one.name for _, one in chosen})
        for index, one in chosen:
            result[starts[index] : starts[index + 1]] = _FILTERS[one.name](jet)
    return result


def _sigma_of(item: tuple[int, Feature]) -> float:
    return item[1].sigma_um


class _Jet:
    """Derivatives of an image at one scale, each computed once."""

    def __init__(self, image: _Map, reach: Shape, sigmas: Scale, dimensions: int, names: set[str]) -> None:
        self.sigmas, self.axes = sigmas, tuple(range(3 - dimensions, 3))
        outer = [kernel_reach(_OUTER * sigma) for sigma in sigmas] if "structure" in names else [0, 0, 0]
        self._margin = [size if axis in self.axes else 0 for axis, size in enumerate(outer)]
        self._image, self._reach = image, reach
        self._maps: dict[tuple[int, ...], _Map] = {}

    def wide(self, orders: _Orders) -> _Map:
        """Return a derivative of the voxels and of the margin that the structure tensor needs."""
        return self._along(3, orders)

    def at(self, *axes: int) -> _Map:
        """Return the derivative along axes, or without any the blurred image, of the voxels."""
        return self._inner(self.wide(_orders(axes)))

    def blur(self, factor: float) -> _Map:
        """Return the image blurred by a part of the scale, of the voxels."""
        return _blur(self._crop([factor * sigma for sigma in self.sigmas], [0, 0, 0]), self.sigmas, factor, self.axes)

    def tensor(self, first: int, second: int) -> _Map:
        """Return a component of the structure tensor of the voxels."""
        product = self.wide(_orders((first,))) * self.wide(_orders((second,)))
        return _blur(product, self.sigmas, _OUTER, self.axes)

    def _along(self, axes: int, orders: _Orders) -> _Map:
        """Return the image after the kernels of the first `axes` axes."""
        key = (axes, *orders[:axes])
        if key not in self._maps:
            if axes == 0:
                self._maps[key] = self._crop(self.sigmas, self._margin)
            else:
                axis, before = axes - 1, self._along(axes - 1, orders)
                kernel = derivative_kernel(self.sigmas[axis], orders[axis])
                self._maps[key] = correlate(before, kernel, axis) if axis in self.axes else before
        return self._maps[key]

    def _crop(self, sigmas: Sequence[float], margin: Sequence[int]) -> _Map:
        needed = [kernel_reach(sigmas[axis]) + margin[axis] if axis in self.axes else 0 for axis in range(3)]
        cuts = [more - less for more, less in zip(self._reach, needed, strict=True)]
        part = tuple(slice(cut, size - cut) for cut, size in zip(cuts, self._image.shape, strict=True))
        return np.ascontiguousarray(self._image[part])

    def _inner(self, values: _Map) -> _Map:
        part = tuple(slice(cut, size - cut) for cut, size in zip(self._margin, values.shape, strict=True))
        return values[part]


def _orders(axes: Sequence[int]) -> _Orders:
    return axes.count(0), axes.count(1), axes.count(2)


def _blur(image: _Map, sigmas: Sequence[float], factor: float, axes: Sequence[int]) -> _Map:
    for axis in axes:
        image = correlate(image, derivative_kernel(factor * sigmas[axis], 0), axis)
    return image


def _laplacian(jet: _Jet) -> _Map:
    total = jet.at(jet.axes[0], jet.axes[0])
    for axis in jet.axes[1:]:
        total = total + jet.at(axis, axis)
    return total


def _gradient(jet: _Jet) -> _Map:
    squares = jet.at(jet.axes[0]) ** 2
    for axis in jet.axes[1:]:
        squares = squares + jet.at(axis) ** 2
    return np.sqrt(squares)


def _pairs(jet: _Jet) -> list[tuple[int, int]]:
    return list(itertools.combinations_with_replacement(jet.axes, 2))


_FILTERS: dict[str, Callable[[_Jet], _Map]] = {
    "gaussian": lambda jet: jet.at(),
    "laplacian": _laplacian,
    "gradient": _gradient,
    "difference": lambda jet: jet.at() - jet.blur(_NARROWER),
    "structure": lambda jet: eigenvalues([jet.tensor(*pair) for pair in _pairs(jet)]),
    "hessian": lambda jet: eigenvalues([jet.at(*pair) for pair in _pairs(jet)]),
}
NAMES = tuple(_FILTERS)
"""Names of features."""
