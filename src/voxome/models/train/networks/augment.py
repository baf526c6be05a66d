"""Data augmentation: random geometry and grey values of training patches.

What a patch shows depends on its generator only, which `data.generator` makes of seed, epoch and number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from voxome.models.train.networks.config import Augmentation

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which axes may be exchanged and mixed: ``zyx`` of isotropic voxels, ``yx`` of square ones, or none."""

    mixed: Literal["zyx", "yx", ""]

    @property
    def axes(self) -> list[int]:
        """Numbers of these axes."""
        return ["zyx".index(name) for name in self.mixed]


def coordinates(
    centre: NDArray[np.float64], size: Shape, rng: np.random.Generator, geometry: Geometry, settings: Augmentation
) -> Tensor:
    """Return random source positions (*size, 3), z, y, x in voxels, of a patch around `centre`.

    Patches are transformed by one of the symmetries that the voxels have. A share of them is also rotated, scaled and
    deformed elastically (Simard et al. 2003, from a coarse grid of displacements); nothing mixes z with y and x unless
    voxels are isotropic.
    """
    turn = symmetry(rng, geometry) if settings.symmetries else np.eye(3)
    warp = bool(geometry.mixed) and rng.random() < settings.warped
    if warp:
        turn = turn @ rotation(rng, np.deg2rad(settings.rotation_degrees), geometry)
        turn[:, geometry.axes] *= rng.uniform(1 - settings.scale, 1 + settings.scale)
    steps = torch.from_numpy(turn.astype(np.float32))
    z, y, x = (_axis(n)[:, None] * steps[:, a] for a, n in enumerate(size))
    middle = torch.from_numpy(centre.astype(np.float32))
    where = z[:, None, None] + y[None, :, None] + x[None, None, :] + middle
    if not warp:
        return where
    amplitude = rng.uniform(0, settings.elastic_voxels) if settings.elastic_voxels else 0.0
    shift = displacement(size, rng, spacing=24, amplitude=amplitude)
    return where + shift * torch.tensor([float(a in geometry.axes) for a in range(3)])


def _axis(length: int) -> Tensor:
    return torch.arange(length, dtype=torch.float32) - length // 2


def symmetry(rng: np.random.Generator, geometry: Geometry) -> NDArray[np.float64]:
    """Return a signed permutation matrix, which exchanges only axes that may be mixed."""
    order = np.arange(3)
    order[geometry.axes] = rng.permutation(geometry.axes) if geometry.mixed else []
    return np.eye(3)[order] * rng.choice([-1.0, 1.0], 3)


def rotation(rng: np.random.Generator, max_angle: float, geometry: Geometry) -> NDArray[np.float64]:
    """Return a rotation by up to `max_angle` radians, about z or a uniformly random axis (Rodrigues' formula)."""
    axis = rng.normal(size=3) if geometry.mixed == "zyx" else np.array([1.0, 0.0, 0.0])
    axis /= np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    angle = rng.uniform(-max_angle, max_angle)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def displacement(size: Shape, rng: np.random.Generator, *, spacing: int, amplitude: float) -> Tensor:
    """Return a smooth random displacement field (*size, 3), in voxels."""
    coarse = rng.normal(0, 1, (1, 3, *(n // spacing + 2 for n in size))) * amplitude
    fine = functional.interpolate(
        torch.from_numpy(coarse.astype(np.float32)), size=size, mode="trilinear", align_corners=True
    )
    return fine[0].permute(1, 2, 3, 0)


def grey_values(raw: Tensor, rng: np.random.Generator, geometry: Geometry, damaged: float) -> Tensor:
    """Randomly change contrast, gamma, sharpness and noise of a normalized (z, y, x) patch, and damage sections."""
    raw = raw * rng.uniform(0.75, 1.3) + rng.uniform(-0.35, 0.35)
    if rng.random() < 0.5:
        raw = _gamma(raw, float(np.exp(rng.uniform(-0.4, 0.4))))
    if rng.random() < 0.25:
        raw = _blur(raw, rng.uniform(0.4, 1.0), geometry.axes or [1, 2])
    if rng.random() < 0.5:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        raw = raw + rng.uniform(0, 0.35) * torch.randn(raw.shape, generator=generator)
    if rng.random() < damaged:
        raw = _damage(raw.clone(), rng, geometry)
    return raw


def _gamma(raw: Tensor, gamma: float) -> Tensor:
    low, high = -4.0, 4.0
    unit = ((raw - low) / (high - low)).clamp(0, 1) ** gamma
    middle = 0.5**gamma
    return (unit - middle) * (high - low) / (2 * gamma * middle)


def _blur(raw: Tensor, sigma: float, axes: list[int]) -> Tensor:
    weights = torch.exp(-0.5 * (torch.arange(-2, 3) / sigma) ** 2)
    weights = weights / weights.sum()
    out = raw[None, None]
    for axis in axes:
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 5
        pad = [0, 0, 0, 0, 0, 0]
        pad[4 - 2 * axis : 6 - 2 * axis] = [2, 2]
        out = functional.conv3d(functional.pad(out, pad, mode="replicate"), weights.reshape(shape))
    return out[0, 0]


def _damage(raw: Tensor, rng: np.random.Generator, geometry: Geometry) -> Tensor:
    """Darken, brighten, or replace by the previous one, up to three sections; along any axis of isotropic voxels."""
    planes = raw.movedim(int(rng.integers(3)) if geometry.mixed == "zyx" else 0, 0)
    for at in rng.integers(0, len(planes), rng.integers(1, 4)):
        if at and rng.random() < 0.5:
            planes[at] = planes[at - 1]
        else:
            planes[at] = planes[at] * rng.uniform(0.3, 0.8) + rng.uniform(-1, 1)
    return raw
