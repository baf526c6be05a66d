"""Oblique planes through a volume, and keys of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, json_response
from standins.dvid.instances import route
from standins.dvid.types.images import image_response
from standins.dvid.types.volumes import VolumeInstance
from standins.dvid.versions import Node
from standins.dvid.voxels import Region

Corner = NDArray[np.float64]


class ObliquePlanes(VolumeInstance):
    """Rare requests to image blocks."""

    def read(self, node: Node, region: Region) -> NDArray[Any]:
        """Return the (z, y, x) array of a region."""
        raise NotImplementedError

    @route("GET", "arb")
    def get_arbitrary(self, node: Node, call: Call) -> Response:
        """Return an image of a plane given by three corners and a pixel size, from the nearest voxels."""
        first, right, down = (_corner(call.part(index)) for index in (1, 2, 3))
        pixel = _real(call.part(4))
        if pixel <= 0:
            raise Refusal(f"resolution must be more than 0, not {pixel}")
        across, along = (_steps(edge - first, pixel) for edge in (right, down))
        voxels = ((first + along[:, None] + across) / self.resolution).round().astype(int)
        low, high = voxels.min((0, 1)).tolist(), voxels.max((0, 1)).tolist()
        x, y, z = (b - a + 1 for a, b in zip(low, high, strict=True))
        box = self.read(node, Region((low[0], low[1], low[2]), (x, y, z)))
        i, j, k = np.moveaxis(voxels - low, 2, 0)
        return image_response(box[k, j, i], call.parts[5] if call.parts[5:] else "png")

    @route("GET", "rawkey")
    def get_raw_key(self, node: Node, call: Call) -> Response:
        """Return a key of a block; in the real server, its storage key."""
        coord = [call.option(axis, 0) for axis in "zyx"]
        return json_response({"Key": f"{self.uuid}{node.number:08x}" + "".join(f"{n & 0xFFFFFFFF:08x}" for n in coord)})


def _steps(edge: Corner, pixel: float) -> Corner:
    count = max(1, int(np.linalg.norm(edge) / pixel))
    return np.arange(count)[:, None] / count * edge


def _corner(text: str) -> Corner:
    numbers = [_real(n) for n in text.split("_")]
    if len(numbers) != 3:
        raise Refusal(f"corners need three coordinates, not {text!r}")
    return np.array(numbers)


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refusal(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None
