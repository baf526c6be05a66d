"""Planes as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal
from standins.dvid.voxels import Region, thickness

_FORMATS = {"png", "jpg", "jpeg"}


def plane(
    call: Call, voxel_size: Sequence[float], asked_for: Region, read: Callable[[Region], NDArray[Any]]
) -> Response:
    """The picture of a plane, for ``isotropic`` in pixels of one size: the smaller of the two that voxels have.

    Parameters
    ----------
    call : Call
        The request; its path may end with a format.
    voxel_size : sequence of float
        Along x, y, z.
    asked_for : Region
        The plane, one voxel thick.
    read : callable
        Gives the voxels of a region.
    """
    source, across = asked_for, thickness(call)
    if call.parts[0] == "isotropic":
        axes = [axis for axis in range(3) if axis != across]
        finest = min(voxel_size[axis] for axis in axes)
        size = list(asked_for.size)
        for axis in axes:
            size[axis] = max(1, int(size[axis] * finest / voxel_size[axis] + 0.5))
        source = Region(asked_for.offset, (size[0], size[1], size[2]))
    array = read(source)
    if source != asked_for:
        array = array[np.ix_(*map(_nearest, asked_for.shape, source.shape))]
    return picture(array.squeeze(2 - across), call.parts[4] if len(call.parts) > 4 else "png")


def _nearest(wanted: int, found: int) -> NDArray[np.int64]:
    return np.arange(wanted, dtype=np.int64) * found // wanted


def picture(image: NDArray[Any], name: str) -> Response:
    """A picture: numbers of 32 and 64 bits as four channels of 8 and 16 bits, their low bytes first."""
    kind, _, quality = name.partition(":")
    if kind not in _FORMATS or not (quality or "1").isdigit():
        raise Refusal(f'unknown image format "{name}"')
    image = np.ascontiguousarray(image)
    if image.dtype.itemsize > 2:
        image = image.view(">u2" if image.dtype.itemsize == 8 else "u1").reshape(*image.shape, 4)
    if kind == "png":
        content = imagecodecs.png_encode(image.astype(image.dtype.newbyteorder("=")))
        return Response(bytes(content), media_type="image/png")
    if image.dtype == np.uint16:
        image = image >> 8
    content = imagecodecs.jpeg_encode(image.astype(np.uint8), level=int(quality or 80))
    return Response(bytes(content), media_type="image/jpeg")
