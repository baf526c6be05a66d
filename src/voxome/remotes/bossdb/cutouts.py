"""Voxels over the wire: a box is cut along the server's cuboids into concurrent requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from voxome.config.settings import settings
from voxome.errors import CorruptData
from voxome.geometry import BlockGrid, Box
from voxome.remotes.bossdb.service import path
from voxome.remotes.http import Api, fan_out
from voxome.storage.blosc_frames import require_blosc_frame

_BLOSC = "application/blosc"
_HEADER = 16


class Cutouts:
    """The voxels of one channel at one resolution.

    Parameters
    ----------
    api : Api
        The server.
    names : tuple of str
        Collection, experiment and channel.
    resolution : int
        0 is the finest.
    dtype : numpy.dtype
        Data type of the voxels.
    cuboid : tuple of int
        Voxels that the server stores together, along z, y, x or t, z, y, x.
    """

    def __init__(
        self, api: Api, names: Sequence[str], resolution: int, dtype: np.dtype[Any], cuboid: tuple[int, ...]
    ) -> None:
        self._api, self._cuboid = api, cuboid
        self._names: tuple[str, ...] = (*names, str(resolution))
        self._dtype = dtype.newbyteorder("<")

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """Fill `out` with the voxels of `box`.

        Raises
        ------
        CorruptData
            If the server sends anything but the requested voxels.
        """
        fan_out(lambda part: self._get(part, out[part.within(box)]), self._requests(box), workers=_workers())

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Store `data` as the voxels of `box`, including zeros.

        The server ignores zeros in what it is sent, so voxels that become 0 are erased first. A request that fails
        leaves its part of the box unchanged, erased in places, or written; writing again completes it.
        """
        fan_out(lambda part: self._put(part, data[part.within(box)]), self._requests(box), workers=_workers())

    def count_requests(self, box: Box) -> int:
        """Return the number of requests that reading `box` takes."""
        return len(self._requests(box))

    def _requests(self, box: Box) -> list[Box]:
        if box.empty:
            return []
        cuboids = box.snap(self._cuboid)
        shape = request_shape(cuboids.shape, self._cuboid, self._dtype.itemsize)
        return [block.write for block in BlockGrid(cuboids, shape, box)]

    def _get(self, box: Box, out: NDArray[Any]) -> None:
        response = self._api.send(
            "GET",
            self._path("cutout", box),
            params={"access-mode": "no-cache"},
            headers={"Accept": _BLOSC, "Accept-Encoding": "identity"},
            ok=(200,),
        )
        decode(response.content, out, self._dtype, f"the voxels {box} of {'/'.join(self._names)}")

    def _put(self, box: Box, data: NDArray[Any]) -> None:
        count = int(np.count_nonzero(data))
        if count < data.size:
            self._erase(box, data, count)
        if count:
            body = encode(np.ascontiguousarray(data, self._dtype))
            headers = {"Content-Type": _BLOSC}
            self._api.send("POST", self._path("cutout", box), content=body, headers=headers, idempotent=True)

    def _erase(self, box: Box, data: NDArray[Any], count: int) -> None:
        """Erase where `data` are 0 and the server has other voxels."""
        stale: Box | None = box
        if count:
            stored = np.empty(box.shape, self._dtype)
            self._get(box, stored)
            stale = _extent((stored != 0) & (data == 0), box.start)
        if stale is not None:
            self._api.send("PUT", self._path("to_black", stale))

    def _path(self, what: str, box: Box) -> str:
        *time, z, y, x = (f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True))
        head = path("cutout", *([what] if what != "cutout" else []), *self._names)
        return head + "/".join([x, y, z, *time]) + "/"


def request_shape(shape: Sequence[int], cuboid: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Return the shape of one request: whole cuboids, x first, so that its voxels are contiguous in the result.

    Parameters
    ----------
    shape : tuple of int
        Shape of the transfer, in whole cuboids.
    cuboid : tuple of int
        Shape of a cuboid.
    itemsize : int
        Bytes of a voxel.

    Examples
    --------
    >>> request_shape((512, 1024, 1024), (16, 512, 512), 1)
    (16, 512, 1024)
    """
    limit = settings().bossdb_request_mib << 20
    whole = math.prod(shape) * itemsize
    left = max(min(limit, whole // _workers()) // (math.prod(cuboid) * itemsize), 1)
    shape_xyz = []
    for n, size in zip(reversed(shape), reversed(cuboid), strict=True):
        count = min(n // size, left)
        shape_xyz.append(count * size)
        left //= count
    return tuple(reversed(shape_xyz))


def decode(body: bytes, out: NDArray[Any], dtype: np.dtype[Any], what: str) -> None:
    """Decompress voxels into `out`, without a copy where it is contiguous.

    Raises
    ------
    CorruptData
        If their number is not that of `out`, or they cannot be decompressed.
    """
    size = out.size * dtype.itemsize
    sizes = [int.from_bytes(body[at : at + 4], "little") for at in (4, 12)]
    if len(body) < _HEADER or sizes != [size, len(body)]:
        raise CorruptData(f"{what}: expected {size} bytes compressed by blosc, got {len(body)} bytes: {body[:16]!r}")
    direct = out.flags.c_contiguous and out.dtype == dtype
    target = out if direct else np.empty(out.shape, dtype)
    try:
        require_blosc_frame(body, size)
        blosc.decompress(body, target)
    except (RuntimeError, ValueError) as error:
        raise CorruptData(f"{what} cannot be decompressed: {error}") from error
    if not direct:
        out[...] = target


def encode(data: NDArray[Any]) -> bytes:
    """Compress voxels, in C order."""
    body: bytes = blosc.compress(data, b"lz4", 5, blosc.SHUFFLE if data.itemsize > 1 else blosc.NOSHUFFLE)
    return body


def _extent(mask: NDArray[np.bool_], start: Sequence[int]) -> Box | None:
    """Return the smallest box of the true voxels; None if none is true."""
    low, high = [], []
    for axis, first in enumerate(start):
        indices = np.flatnonzero(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis)))
        if not len(indices):
            return None
        low.append(first + int(indices[0]))
        high.append(first + int(indices[-1]) + 1)
    return Box(tuple(low), tuple(high))


def _workers() -> int:
    return settings().bossdb_workers
