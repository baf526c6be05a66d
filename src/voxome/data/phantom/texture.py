"""Simulated EM image of the tissue."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.ndimage as ndi
from numba import njit
from numpy.typing import NDArray

from voxome.data.hashing import mix, normal, uniform, value_noise, white_noise
from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.synapses import BARE, CLEFT, CLOUD, DENSITY
from voxome.geometry import Box

BLUR_RADIUS = 4
"""Radius of the point spread function, in voxels."""
TEXTURE_HALO = BLUR_RADIUS + 2
"""Margin in which `grey_values` may be wrong, in voxels."""
UNEVEN_VOXELS = 250
"""Length scale of changes in contrast, in voxels."""


def borders(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return the voxels that share a face with another neuron, two voxels across every membrane."""
    out = np.zeros(keys.shape, bool)
    for axis in range(3):
        low, high = np.moveaxis(out, axis, 0)[:-1], np.moveaxis(out, axis, 0)[1:]
        along = np.moveaxis(keys, axis, 0)
        differs = along[1:] != along[:-1]
        low |= differs
        high |= differs
    return out


def membrane_map(border: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return membranes (255) with a rim of one voxel (128)."""
    rim = ndi.binary_dilation(border)
    return np.where(border, 255, np.where(rim, 128, 0)).astype(np.uint8)


def grey_values(
    spec: PhantomSpec, box: Box, keys: NDArray[np.uint64], tubes: NDArray[np.float32],
    border: NDArray[np.bool_], marks: NDArray[np.uint8],
) -> NDArray[np.uint8]:  # fmt: skip
    """Return the image (z, y, x; uint8) of a box from its neurons, tubes, borders and synapse marks."""
    start, size = np.array(box.start), np.array(spec.voxel_size_nm)
    grain = white_noise(start, box.shape, np.uint64(mix(spec.key, 301)))
    for stream, spacing in ((303, 4), (304, 11)):
        grain += value_noise(start, box.shape, np.uint64(mix(spec.key, stream)), spacing)
    grain *= np.float32(spec.granularity)
    levels = np.array(
        [spec.cytoplasm, spec.cytoplasm_spread, spec.membrane, spec.mitochondrion, spec.density, spec.rim], np.float64
    )
    rim = ndi.binary_dilation(border)
    _stain(start, size, spec.key, levels, keys, tubes, border, rim, marks, grain)
    image = _smooth(grain, spec.blur_voxels)
    slow = value_noise(start, box.shape, np.uint64(mix(spec.key, 305)), UNEVEN_VOXELS)
    image *= 1 + np.float32(spec.unevenness) * slow
    image += np.float32(spec.noise) * _noise(spec, box)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _smooth(image: NDArray[np.float32], sigmas: Sequence[float]) -> NDArray[np.float32]:
    for axis, sigma in enumerate(sigmas):
        image = ndi.gaussian_filter1d(image, sigma, axis=axis, radius=BLUR_RADIUS)
    return image


def _noise(spec: PhantomSpec, box: Box) -> NDArray[np.float32]:
    """Return white noise smoothed along each axis by 3 voxels, to match a Gaussian at the highest frequency."""
    noise = white_noise(np.array(box.start), box.shape, np.uint64(mix(spec.key, 311)))
    for axis, sigma in enumerate(spec.noise_blur_voxels):
        side = 0.25 * (1.0 - math.exp(-0.5 * (math.pi * sigma) ** 2))
        noise = ndi.correlate1d(noise, [side, 1.0 - 2.0 * side, side], axis=axis)
    return noise


@njit(cache=True)
def _stain(
    start: NDArray[np.int64], size: NDArray[np.float64], key: np.uint64, levels: NDArray[np.float64],
    keys: NDArray[np.uint64], tubes: NDArray[np.float32], border: NDArray[np.bool_], rim: NDArray[np.bool_],
    marks: NDArray[np.uint8], image: NDArray[np.float32],
) -> None:  # fmt: skip
    """Add the stain of every voxel to `image`, which contains the grain."""
    last, grey, crowd = np.uint64(0), 0.0, 0.0
    for z in range(keys.shape[0]):
        for y in range(keys.shape[1]):
            for x in range(keys.shape[2]):
                if keys[z, y, x] != last:
                    last = keys[z, y, x]
                    grey = levels[0] + levels[1] * min(max(normal(last, 31), -2.0), 2.2)
                    crowd = 0.6 * uniform(last, 32)
                mark = marks[z, y, x]
                if mark & DENSITY:
                    image[z, y, x] = 0.3 * image[z, y, x] + levels[4]
                elif mark & CLEFT:
                    image[z, y, x] = 0.3 * image[z, y, x] + 0.85 * levels[2]
                elif border[z, y, x]:
                    image[z, y, x] = 0.4 * image[z, y, x] + levels[2]
                elif not mark & BARE and _in_mitochondrion(keys[z, y, x], tubes[z, y, x]):
                    image[z, y, x] = 0.6 * image[z, y, x] + levels[3]
                elif rim[z, y, x]:
                    image[z, y, x] += grey + levels[5] * (levels[2] - grey)
                else:
                    share = 0.9 if mark & CLOUD else crowd
                    p = (start[0] + z) * size[0], (start[1] + y) * size[1], (start[2] + x) * size[2]
                    image[z, y, x] += grey - 45.0 * _vesicle(key, share, p)


@njit(cache=True)
def _in_mitochondrion(neuron: np.uint64, tube: NDArray[np.float32]) -> bool:
    """Return whether a position in a tube is in a mitochondrion; these are blunt rods along wide tubes."""
    radius, a, b, t = tube[0], tube[1], tube[2], tube[3]
    if radius < 75.0:
        return False
    length = 900.0 + 2.0 * min(radius, 300.0)
    position = t / length + uniform(neuron, 41)
    n = math.floor(position)
    h = mix(neuron, 7000 + n)
    if uniform(h, 1) > 0.9:
        return False
    width = min(0.5 + 0.3 * uniform(h, 2), 1.0 - 45.0 / radius)
    shift = (1.0 - width) - 40.0 / radius
    turn = 6.283 * uniform(h, 3)
    a -= max(shift, 0.0) * math.cos(turn)
    b -= max(shift, 0.0) * math.sin(turn)
    end = (2.0 * (position - n) - 1.0) / (0.65 + 0.35 * uniform(h, 4))
    return (a * a + b * b) / (width * width) + end**4 < 1.0


@njit(cache=True)
def _vesicle(key: np.uint64, share: float, p: tuple[float, float, float]) -> float:
    """Return the stain (0 to 1) of the vesicle wall at a point; cells of 64 nm have at most one 36 nm vesicle."""
    i, j, k = math.floor(p[0] / 64.0), math.floor(p[1] / 64.0), math.floor(p[2] / 64.0)
    h = mix(mix(mix(mix(key, 302), i), j), k)
    if uniform(h, 1) > share:
        return 0.0
    dz = p[0] - (i + 0.35 + 0.3 * uniform(h, 2)) * 64.0
    dy = p[1] - (j + 0.35 + 0.3 * uniform(h, 3)) * 64.0
    dx = p[2] - (k + 0.35 + 0.3 * uniform(h, 4)) * 64.0
    d = (math.sqrt(dz * dz + dy * dy + dx * dx) - 14.0) / 7.0
    return math.exp(-d * d)
