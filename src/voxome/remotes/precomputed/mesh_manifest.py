"""Manifests of multi-resolution meshes: where the fragments of each level of detail are.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/mesh.rst
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Level:
    """Fragments of one level of detail.

    Attributes
    ----------
    offset : (3,) array of float64
        x, y, z, added to all vertices.
    positions : (n, 3) array of uint32
        x, y, z of each fragment in the grid of the level.
    sizes : (n,) array of int64
        Bytes of each fragment; 0 where the surface is empty at this level.
    scale : float
        Resolution of the level in nm: a viewer shows the coarsest level whose resolution is at most a pixel.
    """

    offset: NDArray[np.float64]
    positions: NDArray[np.uint32]
    sizes: NDArray[np.int64]
    scale: float


@dataclass(frozen=True)
class Manifest:
    """Levels of detail of one segment.

    Attributes
    ----------
    chunk_shape, grid_origin : (3,) array of float64
        x, y, z of a fragment of the finest level, and of the corner of the grid.
    levels : sequence of Level
        Finest first.
    """

    chunk_shape: NDArray[np.float64]
    grid_origin: NDArray[np.float64]
    levels: Sequence[Level]

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Decode the manifest file of a segment.

        Raises
        ------
        ValueError, struct.error
            If it is cut short, or too long.
        """
        shape, origin = np.frombuffer(data, "<f4", 6).reshape(2, 3).astype(np.float64)
        count = struct.unpack_from("<I", data, 24)[0]
        scales = np.frombuffer(data, "<f4", count, 28)
        offsets = np.frombuffer(data, "<f4", 3 * count, 28 + 4 * count).reshape(-1, 3).astype(np.float64)
        fragments = np.frombuffer(data, "<u4", count, 28 + 16 * count)
        at = 28 + 20 * count
        levels = []
        for scale, offset, number in zip(scales.tolist(), offsets, fragments.tolist(), strict=True):
            positions = np.frombuffer(data, "<u4", 3 * number, at).reshape(3, -1).T
            sizes = np.frombuffer(data, "<u4", number, at + positions.nbytes).astype(np.int64)
            at += 16 * number
            levels.append(Level(offset, positions, sizes, scale))
        if at != len(data):
            raise ValueError(f"it has {len(data)} bytes; {at} were expected from its counts")
        return cls(shape, origin, levels)

    def encode(self) -> bytes:
        """Encode the manifest file."""
        levels = self.levels
        parts: list[tuple[ArrayLike, str]] = [
            (self.chunk_shape, "<f4"),
            (self.grid_origin, "<f4"),
            ([len(levels)], "<u4"),
            ([level.scale for level in levels], "<f4"),
            ([level.offset for level in levels], "<f4"),
            ([len(level.sizes) for level in levels], "<u4"),
        ]
        for level in levels:
            parts += [(level.positions.T, "<u4"), (level.sizes, "<u4")]
        return b"".join(np.asarray(values, dtype).tobytes() for values, dtype in parts)
