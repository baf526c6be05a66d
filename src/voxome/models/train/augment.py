"""Data augmentation: random geometry and grey values of training patches."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def coordinates(centre: NDArray[np.float64], size: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """Return random source positions (size, size, size, 3), z, y, x in voxels, of a patch around `centre`.

    Patches are transformed by one of the 48 symmetries of the cube. Half of them are also rotated about a random axis,
    scaled by up to 12 % and deformed elastically (Simard et al. 2003, in three dimensions, from a coarse grid of
    displacements).
    """
    turn = symmetry(rng)
    warp = rng.random() < 0.5
    if warp:
        turn = turn @ rotation(rng, max_angle=np.pi / 4) * rng.uniform(0.88, 1.12)
    axis = torch.arange(size, dtype=torch.float32, device=device) - size // 2
    steps = torch.from_numpy(turn.astype(np.float32)).to(device)
    z, y, x = (axis[:, None] * steps[:, a] for a in range(3))
    middle = torch.from_numpy(centre.astype(np.float32)).to(device)
    where = z[:, None, None] + y[None, :, None] + x[None, None, :] + middle
    if not warp:
        return where
    return where + displacement(size, rng, spacing=24, amplitude=rng.uniform(0, 2.5), device=device)


def symmetry(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return one of the 48 signed permutation matrices."""
    return np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)


def rotation(rng: np.random.Generator, max_angle: float) -> NDArray[np.float64]:
    """Return a rotation by up to `max_angle` radians about a uniformly random axis (Rodrigues' formula)."""
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    angle = rng.uniform(-max_angle, max_angle)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def displacement(
    size: int, rng: np.random.Generator, *, spacing: int, amplitude: float, device: torch.device
) -> Tensor:
    """Return a smooth random displacement field (size, size, size, 3), in voxels."""
    n = size // spacing + 2
    coarse = torch.from_numpy(rng.normal(0, amplitude, (1, 3, n, n, n)).astype(np.float32)).to(device)
    fine = functional.interpolate(coarse, size=(size, size, size), mode="trilinear", align_corners=True)
    return fine[0].permute(1, 2, 3, 0)


def grey_values(raw: Tensor, rng: np.random.Generator) -> Tensor:
    """Randomly change contrast, gamma, sharpness and noise of a normalized (z, y, x) patch, and damage sections."""
    raw = raw * rng.uniform(0.75, 1.3) + rng.uniform(-0.35, 0.35)
    if rng.random() < 0.5:
        raw = _gamma(raw, float(np.exp(rng.uniform(-0.4, 0.4))))
    if rng.random() < 0.25:
        raw = _blur(raw, rng.uniform(0.4, 1.0))
    if rng.random() < 0.5:
        generator = torch.Generator(raw.device).manual_seed(int(rng.integers(2**62)))
        raw = raw + rng.uniform(0, 0.35) * torch.randn(raw.shape, generator=generator, device=raw.device)
    if rng.random() < 0.15:
        raw = _defects(raw.clone(), rng)
    return raw


def _gamma(raw: Tensor, gamma: float) -> Tensor:
    low, high = -4.0, 4.0
    unit = ((raw - low) / (high - low)).clamp(0, 1) ** gamma
    middle = 0.5**gamma
    return (unit - middle) * (high - low) / (2 * gamma * middle)


def _blur(raw: Tensor, sigma: float) -> Tensor:
    weights = torch.exp(-0.5 * (torch.arange(-2, 3, device=raw.device) / sigma) ** 2)
    weights = weights / weights.sum()
    out = raw[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 5
        pad = [0, 0, 0, 0, 0, 0]
        pad[4 - 2 * axis : 6 - 2 * axis] = [2, 2]
        out = functional.conv3d(functional.pad(out, pad, mode="replicate"), weights.reshape(shape))
    return out[0, 0]


def _defects(raw: Tensor, rng: np.random.Generator) -> Tensor:
    """Darken, brighten, or replace by the previous one, up to three sections along one axis."""
    planes = raw.movedim(int(rng.integers(3)), 0)
    for at in rng.integers(1, len(planes), rng.integers(1, 4)):
        if rng.random() < 0.5:
            planes[at] = planes[at - 1]
        else:
            planes[at] = planes[at] * rng.uniform(0.3, 0.8) + rng.uniform(-1, 1)
    return raw
