"""Simulated images of cells and vessels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage as ndi
from numba import njit
from numpy.typing import NDArray

from voxome.data.hashing import mix, normal, uniform, value_noise, white_noise
from voxome.data.vascular.spec import TissueSpec
from voxome.geometry import Box

BLUR_RADIUS = 4
"""Radius of the point spread function, and margin in which images may be wrong, in voxels."""


@dataclass(frozen=True)
class Scene:
    """What is in a box.

    Attributes
    ----------
    spec : TissueSpec
        Phantom.
    box : Box
        The box.
    labels : (z, y, x) uint64
        Cells; 0 elsewhere.
    cell, vessel : (z, y, x) float32
        Share of a voxel that is in a cell, or in a vessel; from 0 to 1.
    """

    spec: TissueSpec
    box: Box
    labels: NDArray[np.uint64]
    cell: NDArray[np.float32]
    vessel: NDArray[np.float32]

    def white(self, stream: int) -> NDArray[np.float32]:
        """Return independent normal numbers."""
        return white_noise(np.array(self.box.start), self.box.shape, self._key(stream))

    def smooth(self, stream: int, voxels: int) -> NDArray[np.float32]:
        """Return noise with a length scale in voxels."""
        return value_noise(np.array(self.box.start), self.box.shape, self._key(stream), voxels)

    def slow(self, stream: int, length_um: float) -> NDArray[np.float32]:
        """Return noise with a length scale in micrometres."""
        return self.smooth(stream, max(2, round(length_um / float(self.spec.voxel_um.max()))))

    def brightness(self) -> NDArray[np.float32]:
        """Return a normal number for each cell, at its voxels."""
        ids, position = np.unique(self.labels, return_inverse=True)
        drawn = np.array([normal(self._key(707), int(id)) for id in ids], np.float32)
        drawn[ids == 0] = 0
        return drawn[position].reshape(self.labels.shape)

    def from_axis(self) -> NDArray[np.float32]:
        """Return the distance from the z axis in the middle of the volume; 1 at the middle of the farthest face."""
        _, y, x = (
            (np.arange(a, b) - (n - 1) / 2) / max(n / 2, 1)
            for a, b, n in zip(self.box.start, self.box.stop, self.spec.shape, strict=True)
        )
        distance: NDArray[np.float32] = np.hypot(y[:, None], x[None, :]).astype(np.float32)
        return distance

    def _key(self, stream: int) -> np.uint64:
        return np.uint64(mix(self.spec.key, stream))


def xray_image(scene: Scene) -> dict[str, NDArray[Any]]:
    """Return an X-ray image: dark cells and darker vessels, with shading, rings around the axis of rotation, and noise.

    The grey values of tissue, cells and vessels are those of Dyer et al. 2017: 157, 93 and 54.
    """
    image: NDArray[Any] = 157.0 - scene.cell * (64.0 - 6.0 * scene.brightness())
    image += scene.vessel * (np.float32(54.0) - image)
    image += (1.0 - scene.vessel) * (9.0 * scene.smooth(701, 3) + 6.0 * scene.smooth(702, 8))
    image = _blur(image.astype(np.float32), (0.9, 0.9, 0.9))
    image += 10.0 * scene.slow(703, 120.0) - np.float32(8.0) * scene.from_axis() ** 2
    _add_rings(image, np.array(scene.box.start), np.array(scene.spec.shape), np.uint64(mix(scene.spec.key, 704)), 7.0)
    image += _blur(np.float32(9.0) * scene.white(705), (0.5, 0.5, 0.5))
    return {"raw": _rounded(image, "uint8")}


def light_images(scene: Scene) -> dict[str, NDArray[Any]]:
    """Return a fluorescence image of cells, and the background channel: autofluorescence with the same shading.

    Vessels are darker than tissue. Illumination falls off from the middle, and noise grows with the signal.
    """
    tissue = 420.0 + 60.0 * scene.smooth(711, 3) + 70.0 * scene.slow(712, 60.0)
    tissue = tissue * (1.0 - 0.55 * scene.vessel)
    cells = scene.cell * np.maximum(900.0 + 220.0 * scene.brightness(), 350.0)
    light = np.exp(0.18 * scene.slow(713, 400.0)) * (1.0 - 0.25 * scene.from_axis() ** 2)
    images = {}
    for stream, (name, signal) in enumerate((("raw", tissue + cells), ("background", 0.8 * tissue))):
        image = _blur(signal.astype(np.float32), (0.6, 0.7, 0.7)) * light.astype(np.float32)
        image += np.sqrt(np.maximum(image, 0) * 2.0 + 64.0) * scene.white(715 + stream) + 100.0
        images[name] = _rounded(image, "uint16")
    return images


IMAGES: dict[str, Callable[[Scene], dict[str, NDArray[Any]]]] = {
    "xrm": xray_image,
    "lm": light_images,
}
"""Modality → function that returns the images of a scene by name."""
CHANNELS = {"xrm": {"raw": "uint8"}, "lm": {"raw": "uint16", "background": "uint16"}}
"""Modality → names of the images, and their dtypes."""


def _blur(image: NDArray[np.float32], sigmas: Sequence[float]) -> NDArray[np.float32]:
    for axis, sigma in enumerate(sigmas):
        image = ndi.gaussian_filter1d(image, sigma, axis=axis, radius=BLUR_RADIUS)
    return image


def _rounded(image: NDArray[Any], dtype: str) -> NDArray[Any]:
    return np.clip(np.rint(image), 0, np.iinfo(dtype).max).astype(dtype)


@njit(cache=True)
def _add_rings(
    image: NDArray[np.float32], start: NDArray[np.int64], shape: NDArray[np.int64], key: np.uint64, strength: float
) -> None:
    """Add the rings that detector pixels with an error leave around the axis of rotation, in every eighth pixel."""
    for z in range(image.shape[0]):
        row = mix(key, (start[0] + z) // 12)
        for y in range(image.shape[1]):
            dy = start[1] + y - (shape[1] - 1) / 2.0
            for x in range(image.shape[2]):
                dx = start[2] + x - (shape[2] - 1) / 2.0
                pixel = mix(row, int(np.sqrt(dy * dy + dx * dx) + 0.5))
                if uniform(pixel, 1) < 0.125:
                    image[z, y, x] += np.float32(strength * normal(pixel, 2))
