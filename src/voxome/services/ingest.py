"""Targets to put a volume into: a new volume, or a box of an existing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec, parse_dtype
from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.resources.open import open_source


def spec_like(spec: VolumeSpec, **changes: Any) -> VolumeSpec:
    """Return `spec` with `changes`, and with the default chunks and encoding of the new format.

    Parameters
    ----------
    spec : VolumeSpec
        Description of the source.
    **changes
        New values of `dtype`, `voxel_size_nm`, `kind` or `read_chunk`; None keeps the old value.

    Raises
    ------
    InvalidInput
        If the dtype is unknown or a value is invalid.
    """
    fields = {name: value for name, value in changes.items() if value is not None}
    if "dtype" in fields:
        fields["dtype"] = parse_dtype(fields["dtype"])
    if "read_chunk" in fields:
        fields["write_chunk"] = fields["read_chunk"]
    return spec.replace(**{"read_chunk": None, "write_chunk": None, "encoding": None, **fields})


def open_target(uri: str, source: VolumeSource, corner: Sequence[int]) -> VolumeSource:
    """Open an existing volume for writing `source` at `corner` in its coordinates.

    Raises
    ------
    NotFound
        If the volume at `uri` does not exist.
    InvalidBox
        If the axes differ, or `source` does not fit inside.
    """
    target, shape = open_source(uri, mode="r+"), source.spec.domain.shape
    axes = target.spec.axes
    if len(shape) != len(axes):
        raise InvalidBox(f"{uri} has axes {'/'.join(axes)}, but the source has {'/'.join(source.spec.axes)}")
    if len(corner) != len(axes):
        raise InvalidBox(
            f"The corner {','.join(map(str, corner))} has length {len(corner)}; {uri} has axes {'/'.join(axes)}: give "
            "one index for each, with at= (--at)"
        )
    Box.of_shape(shape, corner).within(target.spec.domain)
    return target
