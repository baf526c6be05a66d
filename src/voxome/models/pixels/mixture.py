"""Mixtures of Gaussians of grey values, fitted without labels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.validation import describe_problems
from voxome.errors import CorruptData, InvalidInput, UnknownName
from voxome.models.pixels.card import Component, MixtureCard
from voxome.models.pixels.place import Place

_MOST_STEPS = 2000
_TOLERANCE = 1e-10
"""Change of the mean log-likelihood, between two steps, at which a fit ends."""
_LEAST_STD = 0.29
"""Least standard deviation in steps between grey values: that of values that are rounded to whole steps."""


@dataclass(frozen=True)
class Mixture:
    """A mixture and its card."""

    card: MixtureCard
    memory_bytes: ClassVar[int] = 250_000_000

    @classmethod
    def read(cls, fields: dict[str, Any], file: Path) -> Mixture:
        """Return the mixture of a card."""
        try:
            card = MixtureCard.model_validate(fields)
        except ValidationError as error:
            raise CorruptData(f"{file} is not a valid card of a mixture: {describe_problems(error)}") from error
        means = [one.mean for one in card.components]
        if means != sorted(means):
            raise CorruptData(f"The components in {file} are not sorted by their means; fit the mixture again")
        return cls(card)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the darkest first."""
        return ("darkest", *map(str, range(1, len(self.card.components) - 1)), "brightest")

    @property
    def digest(self) -> str:
        """Digest of the card."""
        return hashlib.sha256(self.card.model_dump_json().encode()).hexdigest()

    @property
    def grey_range(self) -> None:
        """None: a mixture is fitted to the volume that it classifies."""
        return None

    def find_class(self, name: str) -> int:
        """Return the index of a class, named, or by its number from the darkest, which is 0."""
        numbers = [str(number) for number in range(len(self.classes))]
        if name in numbers:
            return int(name)
        if name not in self.classes:
            raise UnknownName.of("class", name, (*self.classes, *numbers), "the mixture")
        return self.classes.index(name)

    def problems(self, spec: VolumeSpec) -> Iterator[str]:
        """Yield nothing: a mixture has grey values only."""
        yield from ()

    def reach(self, scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
        """Return (0, 0, 0): voxels are classified by their own grey value."""
        return 0, 0, 0

    def predict(self, image: NDArray[np.float32], where: Place, index: int) -> NDArray[np.uint8]:
        """Return the posterior probability of a component.

        Voxels beyond the mean of the darkest or brightest component count as if they had it: where Gaussians differ in
        width, the wider one would be the more probable far out on either side.
        """
        result = np.empty(image.size, np.uint8)
        columns = np.array([[one.weight, one.mean, one.std] for one in self.card.components])
        _predict(image.ravel(), columns, index, result)
        return result.reshape(image.shape)


def fit_mixture(values: NDArray[Any], voxels: NDArray[np.integer[Any]], components: int) -> MixtureCard:
    """Fit a mixture to a histogram by expectation maximisation, which starts at quantiles of the grey values.

    Parameters
    ----------
    values : (n,) array
        Grey values, in ascending order.
    voxels : (n,) array of integers
        Number of voxels of each.
    components : int
        Number of Gaussians.

    Raises
    ------
    InvalidInput
        If there are fewer grey values than components.
    """
    used = voxels > 0
    grey, weights = values[used].astype(np.float64), voxels[used].astype(np.float64)
    if len(grey) < max(components, 2):
        shown = ", ".join(f"{value:g}" for value in grey) or "none"
        raise InvalidInput(
            f"A mixture of {components} classes needs at least as many grey values, but the volume has {len(grey)} "
            f"({shown}): it is constant, or has no data; choose another box (--box)"
        )
    share = weights / weights.sum()
    floor = (_LEAST_STD * float(np.diff(grey).min())) ** 2
    parts = _start(grey, share, components, floor)
    likelihood = -np.inf
    for _ in range(_MOST_STEPS):
        density = _log_density(grey, parts)
        peak = density.max(axis=1, keepdims=True)
        total = peak[:, 0] + np.log(np.exp(density - peak).sum(axis=1))
        posterior = np.exp(density - total[:, None]) * share[:, None]
        mass = np.maximum(posterior.sum(axis=0), np.finfo(float).tiny)
        mean = (posterior * grey[:, None]).sum(axis=0) / mass
        variance = (posterior * (grey[:, None] - mean) ** 2).sum(axis=0) / mass
        parts = np.stack([mass / mass.sum(), mean, np.sqrt(np.maximum(variance, floor))])
        before, likelihood = likelihood, float((total * share).sum())
        if abs(likelihood - before) < _TOLERANCE:
            break
    order = np.argsort(parts[1], kind="stable")
    found = [Component(weight=w, mean=m, std=s) for w, m, s in parts.T[order].tolist()]
    return MixtureCard(components=tuple(found), voxels=int(voxels.sum()))


def _start(grey: NDArray[np.float64], share: NDArray[np.float64], components: int, floor: float) -> NDArray[np.float64]:
    """Return weights, means and standard deviations by which a fit starts: groups of least variance (k-means).

    The groups are those of Lloyd's iteration from evenly spaced quantiles, so that nothing depends on chance.
    """
    cumulative = np.cumsum(share) - share / 2
    means = np.interp((np.arange(components) + 0.5) / components, cumulative, grey)
    means += np.arange(components) * 1e-9 * (grey[-1] - grey[0])
    for _ in range(_MOST_STEPS):
        group = np.searchsorted((means[1:] + means[:-1]) / 2, grey)
        mass = np.bincount(group, share, components)
        moved = np.where(mass > 0, np.bincount(group, share * grey, components) / np.maximum(mass, 1e-300), means)
        if np.array_equal(moved, means):
            break
        means = moved
    spread = np.bincount(group, share * (grey - means[group]) ** 2, components) / np.maximum(mass, 1e-300)
    return np.stack([np.maximum(mass, 1e-6), means, np.sqrt(np.maximum(spread, floor))])


def _log_density(grey: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the density of each component, (values, components), but for a constant."""
    weight, mean, std = parts
    result: NDArray[np.float64] = np.log(np.maximum(weight, 1e-300) / std) - ((grey[:, None] - mean) / std) ** 2 / 2
    return result


@numba.njit(cache=True, nogil=True)
def _predict(
    image: NDArray[np.float32], components: NDArray[np.float64], index: int, result: NDArray[np.uint8]
) -> None:
    count = len(components)
    for i in range(len(image)):
        grey = min(max(np.float64(image[i]), components[0, 1]), components[count - 1, 1])
        own = (grey - components[index, 1]) / components[index, 2]
        total = 0.0
        for k in range(count):
            other = (grey - components[k, 1]) / components[k, 2]
            ratio = components[k, 0] / components[k, 2] * components[index, 2] / max(components[index, 0], 1e-300)
            total += ratio * math.exp(min((own * own - other * other) / 2, 700.0))
        result[i] = np.uint8(np.rint(255 / total))
