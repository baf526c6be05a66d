"""A volume with its axes reversed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import (
    Ability,
    SupportsAttributes,
    SupportsMetadata,
    SupportsPage,
    SupportsProvenance,
    SupportsVoxelVersion,
    ability,
)
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.geometry import Box

_FORWARDED = (SupportsAttributes, SupportsMetadata, SupportsPage, SupportsProvenance, SupportsVoxelVersion)
"""Abilities that do not depend on the order of axes."""


class Transposed:
    """View of a (z, y, x) source as (x, y, z).

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    name : str
        URI of the volume, for messages.

    Raises
    ------
    UnsupportedFormat
        If its axes are not z, y, x.
    """

    def __init__(self, source: VolumeSource, name: str) -> None:
        if source.spec.axes != ("z", "y", "x"):
            axes = "/".join(source.spec.axes)
            raise UnsupportedFormat(f"{name} has axes {axes}; only z/y/x can be reversed: use axis_order='ZYX'")
        self._source = source

    @property
    def spec(self) -> VolumeSpec:
        inner = self._source.spec
        return inner.replace(
            domain=_reversed(inner.domain),
            axes=inner.axes[::-1],
            read_chunk=inner.read_chunk and inner.read_chunk[::-1],
            write_chunk=inner.write_chunk and inner.write_chunk[::-1],
        )

    @property
    def concurrent_writers(self) -> bool:
        return self._source.concurrent_writers

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = self._source.read(_reversed(box)).T
        if out is None:
            return data
        out[...] = data
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._source.write(_reversed(box), np.ascontiguousarray(data.T))

    def version(self) -> Version:
        return self._source.version()

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return the ability of the source if it does not depend on the order of axes."""
        return ability(self._source, protocol) if protocol in _FORWARDED else None


def _reversed(box: Box) -> Box:
    return Box(box.start[::-1], box.stop[::-1])
