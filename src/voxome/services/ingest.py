"""Where a file, or any volume, is put: a new volume, or a place in one that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voxome.contracts.volume import VolumeSource, VolumeSpec
from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.resources.open import create_source, open_source


def new_volume(like: VolumeSource, uri: str, **changes: Any) -> VolumeSource:
    """Make a volume at `uri` to hold what `like` holds.

    Parameters
    ----------
    like : VolumeSource
        What is to be copied.
    uri : str
        Of what is made, as ``zarr://PATH``.
    **changes
        Fields of the spec that are to differ: `dtype`, `voxel_size_nm`, `kind`, `read_chunk`; None changes nothing.

    Returns
    -------
    VolumeSource
        What was made; nothing is written yet.

    Raises
    ------
    AlreadyThere
        If something is there.
    UnsupportedFormat
        If the format cannot hold such a volume.
    """
    return create_source(uri, _spec(like.spec, changes))


def place_for(like: VolumeSource, uri: str, corner: Sequence[int]) -> VolumeSource:
    """Open a volume that is there, to write what `like` holds at `corner` in its coordinates.

    Raises
    ------
    NotFound
        If nothing is there.
    InvalidBox
        If `like` has other axes, or does not lie inside.
    """
    target, shape = open_source(uri, mode="r+"), like.spec.domain.shape
    if not len(corner) == len(shape) == target.spec.domain.ndim:
        raise InvalidBox(f"{len(shape)} axes do not go into the {target.spec.domain.ndim} of {uri} at {corner}")
    Box.of_shape(shape, corner).within(target.spec.domain)
    return target


def _spec(spec: VolumeSpec, changes: dict[str, Any]) -> VolumeSpec:
    """As `spec`, in the chunks and the encoding that the new format is best at unless asked otherwise."""
    asked = {name: value for name, value in changes.items() if value is not None}
    if "dtype" in asked:
        asked["dtype"] = np.dtype(asked["dtype"])
    if "read_chunk" in asked:
        asked["write_chunk"] = asked["read_chunk"]
    return spec.but(**{"read_chunk": None, "write_chunk": None, "encoding": None, **asked})
