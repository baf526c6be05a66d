"""Draco, with DracoPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.shapes import Mesh
from voxome.extras import require
from voxome.remotes.mesh_files.arrays import mesh_of

_LEVEL = 7
"""Compression with the smallest files; higher levels are slower."""


def decode_draco(data: bytes) -> Mesh:
    """Decode a Draco mesh."""
    return mesh_of(*decode_draco_arrays(data))


def decode_draco_arrays(data: bytes) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Decode a Draco mesh to its points (x, y, z, in the type that they are stored in) and faces.

    Raises
    ------
    ValueError
        If the data are not a Draco mesh.
    MissingExtra
        If DracoPy is not installed.
    """
    require("services", "DracoPy")
    import DracoPy

    try:
        found = DracoPy.decode(data)
        return np.asarray(found.points), np.asarray(found.faces, np.uint32)
    except (DracoPy.FileTypeException, AttributeError) as error:
        raise ValueError(str(error)) from error


def encode_draco_integers(points: NDArray[np.uint32], faces: NDArray[np.uint32]) -> bytes:
    """Encode a mesh whose positions are integers, which Draco keeps as they are: it quantises only floats.

    Parameters
    ----------
    points : (n, 3) array of uint32
        x, y, z.
    faces : (m, 3) array of uint32
        At least one.

    Raises
    ------
    MissingExtra
        If DracoPy is not installed.
    """
    require("services", "DracoPy")
    import DracoPy

    return bytes(DracoPy.encode(points, faces, compression_level=_LEVEL))
