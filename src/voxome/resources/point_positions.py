"""Positions of annotations of points, such as those that are drawn in the viewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.registry import targets
from voxome.resources.open import open
from voxome.resources.shapes import Points


def is_annotations(address: object) -> bool:
    """Return whether an address has the scheme of a remote, so that it is no table."""
    return isinstance(address, str) and Uri.parse(address).scheme in targets("voxome.remotes")


def read_positions(uri: str) -> NDArray[np.float64]:
    """Return the positions of all annotations of a collection, (n, 3): z, y, x in nm.

    Raises
    ------
    InvalidInput
        If they are no points.
    NotFound, UnsupportedFormat, StoreError
        If they cannot be read.
    """
    points = open(uri, expect=Points)
    if points.shape != "point":
        raise InvalidInput(f"{uri} has annotations of shape {points.shape}; expected points")
    return np.concatenate([np.empty((0, 3)), *(one.positions_nm.reshape(-1, 3) for one in points.batches())])
