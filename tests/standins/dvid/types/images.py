"""Planes as images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal
from standins.dvid.voxels import Region, normal_axis

_FORMATS = {"png", "jpg", "jpeg"}


def plane_response(
    call: Call, voxel_size: Sequence[float], region: Region, read: Callable[[Region], NDArray[Any]]
) -> Response:
    """Return the image of a plane; for ``isotropic``, with square pixels of the smaller edge of a voxel.

    Parameters
    ----------
    call : Call
        The request; its path may end with an image format.
    voxel_size : sequence of float
        Voxel size along x, y, z.
    region : Region
        The plane, one voxel thick.
    read : callable
        Returns the voxels of a region.
    """
    source, across = region, normal_axis(call)
    if call.parts[0] == "isotropic":
        axes = [axis for axis in range(3) if axis != across]
        finest = min(voxel_size[axis] for axis in axes)
        size = list(region.size)
        for axis in axes:
            size[axis] = max(1, int(size[axis] * finest / voxel_size[axis] + 0.5))
        source = Region(region.offset, (size[0], size[1], size[2]))
    array = read(source)
    if source != region:
        array = array[np.ix_(*map(_nearest, region.shape, source.shape))]
    return image_response(array.squeeze(2 - across), call.parts[4] if len(call.parts) > 4 else "png")


def _nearest(size: int, source_size: int) -> NDArray[np.int64]:
    return np.arange(size, dtype=np.int64) * source_size // size


def image_response(image: NDArray[Any], name: str) -> Response:
    """Return an image; 32 and 64-bit numbers become four channels of 8 and 16 bits, low bytes first."""
    image_format, _, quality = name.partition(":")
    if image_format not in _FORMATS or not (quality or "1").isdigit():
        raise Refusal(f'unknown image format "{name}"')
    image = np.ascontiguousarray(image)
    if image.dtype.itemsize > 2:
        image = image.view(">u2" if image.dtype.itemsize == 8 else "u1").reshape(*image.shape, 4)
    if image_format == "png":
        content = imagecodecs.png_encode(image.astype(image.dtype.newbyteorder("=")))
        return Response(bytes(content), media_type="image/png")
    if image.dtype == np.uint16:
        image = image >> 8
    content = imagecodecs.jpeg_encode(image.astype(np.uint8), level=int(quality or 80))
    return Response(bytes(content), media_type="image/jpeg")
