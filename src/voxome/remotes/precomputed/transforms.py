"""The ``transform`` of metadata: from the coordinates of a file to nm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxome.errors import UnsupportedFormat

_IDENTITY = np.eye(3, 4)


class Transform:
    """An affine map from the x, y, z of a file to z, y, x in nm.

    Parameters
    ----------
    info : mapping
        Metadata; its ``transform`` has 12 numbers, 3 rows of 4. Identity without it.
    name : str
        URI, for messages.

    Raises
    ------
    UnsupportedFormat
        If it has another shape.
    """

    def __init__(self, info: Mapping[str, Any], name: str) -> None:
        values = info.get("transform")
        try:
            self._matrix = _IDENTITY if values is None else np.asarray(values, np.float64).reshape(3, 4)
        except (TypeError, ValueError) as error:
            raise UnsupportedFormat(f"{name}: transform should have 12 numbers, not {values!r}") from error
        self._is_identity = bool((self._matrix == _IDENTITY).all())

    def to_nm(self, xyz: ArrayLike) -> NDArray[np.float64]:
        """Return positions as rows of z, y, x in nm."""
        rows = np.asarray(xyz, np.float64).reshape(-1, 3)
        moved = rows if self._is_identity else rows @ self._matrix[:, :3].T + self._matrix[:, 3]
        return moved[:, ::-1].copy()

    def orient(self, faces: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the faces of a file with their outside preserved: going from x, y, z to z, y, x mirrors."""
        return faces[:, ::-1] if np.linalg.det(self._matrix[:, :3]) > 0 else faces

    @property
    def scale(self) -> float:
        """Factor of lengths: the cube root of that of volumes, so that it is exact where all axes scale alike."""
        return float(abs(np.linalg.det(self._matrix[:, :3])) ** (1 / 3))
