"""Neuroglancer's compressed segmentation: one channel of uint64 in cubes of 8³ voxels.

Written from its description,
https://github.com/google/neuroglancer/blob/master/src/sliceview/compressed_segmentation/README.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from standins.dvid.codecs.label_block import CUBE, cubes

_WIDTHS = (0, 1, 2, 4, 8, 16, 32)


def encode(voxels: NDArray[np.uint64]) -> bytes:
    """Encode a volume; it is padded with its last voxels to whole cubes.

    Parameters
    ----------
    voxels : (z, y, x) array of uint64
        The labels.

    Returns
    -------
    bytes
    """
    padded = np.pad(voxels, [(0, -n % CUBE) for n in voxels.shape], mode="edge")
    headers, bodies, at = [], [], 2 * (padded.size // CUBE**3)
    for cube in cubes(padded):
        labels, inverse = np.unique(cube, return_inverse=True)
        bits = next(width for width in _WIDTHS if len(labels) <= 1 << width)
        values = _pack_bits(inverse.astype(np.uint32), bits)
        headers += [at + len(values) | bits << 24, at]
        bodies += [values, labels.astype("<u8").view("<u4")]
        at += len(values) + 2 * len(labels)
    return np.concatenate([np.array([1, *headers], "<u4"), *bodies]).astype("<u4").tobytes()


def _pack_bits(values: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    if not bits:
        return np.zeros(0, np.uint32)
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    return np.bitwise_or.reduce(values.reshape(-1, len(shifts)) << shifts, axis=1)
