"""From the coordinates of a file to nm: the ``transform`` of metadata, then the frame of the volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import UnsupportedFormat

_IDENTITY = np.eye(3, 4)

Corner = tuple[float, float, float] | None
"""Position (z, y, x, in nm) of the corner of voxel 0 of a volume; None where the volume is unknown."""


class Transform:
    """An affine map from the x, y, z of a file to z, y, x in nm.

    Parameters
    ----------
    info : mapping
        Metadata; its ``transform`` has 12 numbers, 3 rows of 4. Identity where there is none.
    name : str
        URI, for messages.
    corner_nm : (z, y, x) or None
        Position of the corner of voxel 0, from which the format counts; None where the volume is unknown.

    Raises
    ------
    UnsupportedFormat
        If it has another shape.
    """

    def __init__(self, info: Mapping[str, Any], name: str, corner_nm: Corner) -> None:
        self._corner = np.zeros(3) if corner_nm is None else np.asarray(corner_nm, np.float64)
        values = info.get("transform")
        try:
            self._matrix = _IDENTITY if values is None else np.asarray(values, np.float64).reshape(3, 4)
        except (TypeError, ValueError) as error:
            raise UnsupportedFormat(f"{name}: transform should have 12 numbers, not {values!r}") from error

    def to_nm(self, xyz: ArrayLike) -> NDArray[np.float64]:
        """Return positions as rows of z, y, x in nm."""
        rows = np.asarray(xyz, np.float64).reshape(-1, 3)
        return (rows @ self._matrix[:, :3].T + self._matrix[:, 3])[:, ::-1] + self._corner

    def orient(self, faces: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the faces of a file so that they keep their outside: going from x, y, z to z, y, x mirrors."""
        return faces[:, ::-1] if np.linalg.det(self._matrix[:, :3]) > 0 else faces

    @property
    def scale(self) -> float:
        """Factor of lengths: the cube root of that of volumes, so that it is exact where all axes scale alike."""
        return float(abs(np.linalg.det(self._matrix[:, :3])) ** (1 / 3))
