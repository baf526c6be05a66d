"""A volume with its axes turned round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, SupportsAttributes, SupportsMetadata, ability
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.geometry import Box

_PASSED_ON = (SupportsAttributes, SupportsMetadata)
"""Abilities that know no axes."""


class Transposed:
    """A (z, y, x) source as (x, y, z), read and written where it lies.

    Parameters
    ----------
    source : VolumeSource
        What is turned.
    name : str
        Of the volume, for messages.

    Raises
    ------
    UnsupportedFormat
        If its axes are others.
    """

    def __init__(self, source: VolumeSource, name: str) -> None:
        if source.spec.axes != ("z", "y", "x"):
            axes = "/".join(source.spec.axes)
            raise UnsupportedFormat(f"{name} has axes {axes}; only z/y/x are turned into x/y/z: use axis_order='ZYX'")
        self._source = source

    @property
    def spec(self) -> VolumeSpec:
        inner = self._source.spec
        return inner.replace(
            domain=_turned(inner.domain),
            axes=inner.axes[::-1],
            read_chunk=inner.read_chunk and inner.read_chunk[::-1],
            write_chunk=inner.write_chunk and inner.write_chunk[::-1],
        )

    @property
    def concurrent_writers(self) -> bool:
        return self._source.concurrent_writers

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = self._source.read(_turned(box)).T
        if out is None:
            return data
        out[...] = data
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._source.write(_turned(box), np.ascontiguousarray(data.T))

    def version(self) -> Version:
        return self._source.version()

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """What the source can do that does not depend on the order of axes."""
        return ability(self._source, protocol) if protocol in _PASSED_ON else None


def _turned(box: Box) -> Box:
    return Box(box.start[::-1], box.stop[::-1])
