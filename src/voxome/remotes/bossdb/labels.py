"""Which labels are where, as the server knows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.remotes.bossdb.service import path, understood
from voxome.remotes.http import Api, fan_out

BLOCK = (256, 1024, 1024)
"""Voxels (z, y, x) in which the server is asked for labels: within its limit, and whole cuboids."""
WORKERS = 4


class Labels:
    """The labels of an annotation channel at one resolution.

    Parameters
    ----------
    api : Api
        The server.
    names : tuple of str
        Collection, experiment and channel.
    resolution : int
        0 is the finest.
    domain : Box
        All its voxels: z, y, x, or t, z, y, x.
    """

    def __init__(self, api: Api, names: Sequence[str], resolution: int, domain: Box) -> None:
        self._api, self._names, self._resolution, self._domain = api, tuple(names), resolution, domain

    def inside(self, box: Box) -> NDArray[np.uint64]:
        """The labels in `box`, sorted, without 0."""
        if box.empty:
            return np.empty(0, np.uint64)
        block = (*(1 for _ in range(box.ndim - 3)), *BLOCK)
        anchor = Box((0,) * box.ndim, box.stop)
        parts = [part.write for part in BlockGrid(anchor, block, box)]
        found = np.unique(np.concatenate(fan_out(self._asked, parts, workers=WORKERS)))
        return found[found != 0]

    def bounding_box(self, label: int, exact: bool) -> Box:
        """The box of `label`; of the cuboids that hold it unless `exact`.

        Raises
        ------
        NotFound
            If it is nowhere.
        """
        place = f"{path('boundingbox', *self._names, self._resolution, label)}"
        told = self._api.json("GET", place, params={"type": "tight" if exact else "loose"})
        with understood(f"the label {label}"):
            ranges = [told[f"{axis}_range"] for axis in "tzyx"[4 - self._domain.ndim :]]
            return Box(tuple(int(a) for a, _ in ranges), tuple(int(b) for _, b in ranges)) & self._domain

    def reserve(self, count: int) -> range:
        """Labels that the server gives to nobody else.

        Raises
        ------
        InvalidInput
            If `count` is below 1.
        """
        if count < 1:
            raise InvalidInput(f"{count} labels cannot be reserved; ask for 1 or more")
        told = self._api.json("GET", path("reserve", *self._names, count))
        with understood("the labels that were reserved"):
            start = int(told["start_id"])
            if int(told["count"]) != count:
                raise ValueError(f"{told['count']} were reserved, not {count}")
        return range(start, start + count)

    def _asked(self, box: Box) -> NDArray[np.uint64]:
        *time, z, y, x = (f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True))
        place = path("ids", *self._names, self._resolution) + "/".join([x, y, z, *(time or ["0:1"])]) + "/"
        with understood(place):
            return np.array([int(one) for one in self._api.json("GET", place)["ids"]], np.uint64)
