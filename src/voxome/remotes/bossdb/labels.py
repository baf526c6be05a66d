"""Labels of annotation channels: ids, bounding boxes, reservations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput, NotFound
from voxome.geometry import BlockGrid, Box
from voxome.remotes.bossdb.service import parsing, path
from voxome.remotes.http import Api, fan_out

BLOCK = (256, 1024, 1024)
"""Voxels (z, y, x) of one request for ids: within the server's limit, and whole cuboids."""
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

    def ids(self, box: Box) -> NDArray[np.uint64]:
        """Return the labels in `box`, sorted, without 0."""
        if box.empty:
            return np.empty(0, np.uint64)
        block = (*(1 for _ in range(box.ndim - 3)), *BLOCK)
        anchor = Box((0,) * box.ndim, box.stop)
        parts = [part.write for part in BlockGrid(anchor, block, box)]
        found = np.unique(np.concatenate(fan_out(self._fetch, parts, workers=WORKERS)))
        return found[found != 0]

    def bounding_box(self, label: int, exact: bool) -> Box:
        """Return the bounding box of `label`; that of whole cuboids unless `exact`.

        Raises
        ------
        NotFound
            If it does not occur.
        """
        url_path = path("boundingbox", *self._names, self._resolution, label)
        try:
            response = self._api.json("GET", url_path, params={"type": "tight" if exact else "loose"})
        except NotFound as error:
            name = f"bossdb://{self._api.base.partition('://')[2].removesuffix('/v1')}/{'/'.join(self._names)}"
            raise NotFound(f"{name} has no label {label}; its `ids()` are the labels that it has") from error
        with parsing(f"the label {label}"):
            ranges = [response[f"{axis}_range"] for axis in "tzyx"[4 - self._domain.ndim :]]
            return Box(tuple(int(a) for a, _ in ranges), tuple(int(b) for _, b in ranges)) & self._domain

    def reserve(self, count: int) -> range:
        """Reserve labels that no other caller gets.

        Raises
        ------
        InvalidInput
            If `count` is below 1.
        """
        if count < 1:
            raise InvalidInput(f"{count} labels cannot be reserved; reserve 1 or more")
        response = self._api.json("GET", path("reserve", *self._names, count))
        with parsing("reserved labels"):
            start = int(response["start_id"])
            if int(response["count"]) != count:
                raise ValueError(f"{response['count']} were reserved, not {count}")
        return range(start, start + count)

    def _fetch(self, box: Box) -> NDArray[np.uint64]:
        *time, z, y, x = (f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True))
        url_path = path("ids", *self._names, self._resolution) + "/".join([x, y, z, *(time or ["0:1"])]) + "/"
        with parsing(f"the labels in {box}"):
            found = self._api.json("GET", url_path, most_bytes=None)  # as many as voxels
            return np.array([int(one) for one in found["ids"]], np.uint64)
