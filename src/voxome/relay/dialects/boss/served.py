"""Voxels of channels that are sources of the relay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.geometry import Box
from voxome.relay.dialects.boss.pyramid import CHUNK, Pyramid
from voxome.relay.dialects.boss.voxels import require_inside
from voxome.relay.sources import Sources

_LARGEST_CHUNK = 2**24
"""Voxels of a chunk that is read as a whole."""


class ServedVoxels:
    """The voxels of channels that are sources of the relay.

    Parameters
    ----------
    sources : Sources
        Where they are read and written.
    cached : bool
        Whether they may come from the cache of the relay.
    """

    def __init__(self, sources: Sources, *, cached: bool = True) -> None:
        self._sources, self._cached = sources, cached

    def read(self, pyramid: Pyramid, level: int, box: Box) -> NDArray[Any]:
        """Return the voxels of `box` (t, z, y, x); 0 beyond the extent of the source's level."""
        name = pyramid.channel.served
        spec = self._sources.spec(name, level=level)
        inner = _spatial(box, spec)
        inside = inner & spec.domain
        if inside == inner:
            return self._sources.read(name, inner, level=level, cached=self._cached).reshape(box.shape)
        out = np.zeros(inner.shape, spec.dtype)
        if not inside.empty:
            out[inside.within(inner)] = self._sources.read(name, inside, level=level, cached=self._cached)
        return out.reshape(box.shape)

    def chunk(self, pyramid: Pyramid, level: int) -> tuple[int, ...]:
        """Return the shape of a chunk, unless that is very large or unknown."""
        chunk = self._sources.spec(pyramid.channel.served, level=level).read_chunk
        if chunk is None or math.prod(chunk) > _LARGEST_CHUNK:
            return CHUNK
        return (1,) * (4 - len(chunk)) + chunk

    def merge(self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any]) -> None:
        """Write the voxels of `data` that are not 0; keep the stored voxels where they are."""
        written = data != 0
        if written.any():
            require_inside(pyramid, level, box, written)
            self._write(pyramid, level, box, data, written)

    def put(self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any]) -> None:
        """Write all voxels of `data`, including zeros."""
        self._write(pyramid, level, box, data)

    def erase(self, pyramid: Pyramid, level: int, box: Box) -> None:
        """Set all voxels of `box` to 0."""
        self._write(pyramid, level, box, np.zeros(box.shape, pyramid.channel.datatype))

    def _write(
        self, pyramid: Pyramid, level: int, box: Box, data: NDArray[Any], where: NDArray[np.bool_] | None = None
    ) -> None:
        name = pyramid.channel.served
        spec = self._sources.spec(name, level=level)
        inner = _spatial(box, spec)
        inside = inner & spec.domain
        if not inside.empty:
            cut = inside.within(inner)
            mask = None if where is None else where.reshape(inner.shape)[cut]
            self._sources.write(name, inside, data.reshape(inner.shape)[cut], level=level, where=mask)


def _spatial(box: Box, spec: VolumeSpec) -> Box:
    """Return a box (t, z, y, x) in the axes of a source, which need not have times."""
    return box if spec.domain.ndim == 4 else Box(box.start[1:], box.stop[1:])
