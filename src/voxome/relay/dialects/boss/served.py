"""Voxels of channels that are sources of the relay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.geometry import Box
from voxome.relay.dialects.boss.pyramid import Pyramid
from voxome.relay.sources import Sources


class ServedVoxels:
    """The voxels of channels that are sources of the relay.

    Parameters
    ----------
    sources : Sources
        Where they are read.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def read(self, pyramid: Pyramid, level: int, box: Box) -> NDArray[Any]:
        """Return the voxels of `box` (t, z, y, x); 0 beyond the extent of the source's level."""
        name = pyramid.channel.served
        spec = self._sources.spec(name, level=level)
        inner = box if spec.domain.ndim == 4 else Box(box.start[1:], box.stop[1:])
        inside = inner & spec.domain
        if inside == inner:
            return self._sources.read(name, inner, level=level).reshape(box.shape)
        out = np.zeros(inner.shape, spec.dtype)
        if not inside.empty:
            out[inside.within(inner)] = self._sources.read(name, inside, level=level)
        return out.reshape(box.shape)
