"""Where a file, or any volume, is put: a new volume, or a place in one that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.resources.open import open_source
from voxome.services.blockwise_copy import dtype_of


def spec_like(spec: VolumeSpec, **changes: Any) -> VolumeSpec:
    """As `spec`, in the chunks and the encoding that the new format is best at unless asked otherwise.

    Parameters
    ----------
    spec : VolumeSpec
        Of what is to be copied.
    **changes
        Fields that are to differ: `dtype`, `voxel_size_nm`, `kind`, `read_chunk`; None changes nothing.

    Raises
    ------
    InvalidInput
        If there is no such dtype, or a field cannot be so.
    """
    asked = {name: value for name, value in changes.items() if value is not None}
    if "dtype" in asked:
        asked["dtype"] = dtype_of(asked["dtype"])
    if "read_chunk" in asked:
        asked["write_chunk"] = asked["read_chunk"]
    return spec.replace(**{"read_chunk": None, "write_chunk": None, "encoding": None, **asked})


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
    there = target.spec.axes
    if len(shape) != len(there):
        raise InvalidBox(f"a volume of {'/'.join(like.spec.axes)} does not go into {uri}, which has {'/'.join(there)}")
    if len(corner) != len(there):
        raise InvalidBox(
            f"the corner {','.join(map(str, corner))} has {len(corner)} numbers; {uri} has {'/'.join(there)}"
        )
    Box.of_shape(shape, corner).within(target.spec.domain)
    return target
