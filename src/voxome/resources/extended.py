"""Arrays of a box as volumes of the whole domain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidBox
from voxome.geometry import Box
from voxome.resources.views import View


class Extended(View):
    """A source with a larger domain; voxels that it does not have are its fill value.

    Parameters
    ----------
    source : VolumeSource
        Array of a box.
    domain : Box
        Domain along z, y and x, which contains the box.
    """

    def __init__(self, source: VolumeSource, domain: Box) -> None:
        super().__init__(source, f"domain={domain}", source.spec.replace(domain=source.spec.lift(domain)))

    def _read(self, box: Box) -> NDArray[Any]:
        spec = self.source.spec
        if box not in self.spec.domain:
            raise InvalidBox(f"box {box} is not inside {self.spec.domain}")
        inside = box & spec.domain
        if inside == box:
            return self.source.read(box)
        data = np.full(box.shape, spec.fill, spec.dtype)
        if not inside.empty:
            data[inside.within(box)] = self.source.read(inside)
        return data
