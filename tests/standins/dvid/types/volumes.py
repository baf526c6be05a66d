"""Base class of types with voxels: block and voxel size, extents, metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, empty_response, json_response
from standins.dvid.instances import Instance, route, triple
from standins.dvid.types.roi import find_roi
from standins.dvid.versions import Node
from standins.dvid.voxels import Extent, Region


class VolumeInstance(Instance):
    """Instance with voxels in blocks."""

    dtype: ClassVar[str]
    default_block: ClassVar[int] = 32
    interpolable: ClassVar[bool] = True
    has_extents: ClassVar[bool] = True
    """Whether extents can be set."""

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation."""
        x, y, z = map(int, triple(options, "blocksize", self.default_block))
        self.block_size: Xyz = (x, y, z)
        self.voxel_size = list(triple(options, "voxelsize", 8))
        self.voxel_units = options.get("voxelunits", "nanometers,nanometers,nanometers").split(",")
        self.extent = Extent()

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {
            "Values": [{"DataType": self.dtype, "Label": self.value_label}],
            "Interpolable": self.interpolable,
            "BlockSize": self.block_size,
            "VoxelSize": self.voxel_size,
            "VoxelUnits": self.voxel_units,
            **self.extent.as_json(),
            **self.extent.in_blocks(self.block_size),
            "Background": 0,
            "GridStore": "",
            "ScaleLevel": 0,
        }

    @property
    def value_label(self) -> str:
        """Name of its values."""
        return self.dtype

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``/info``."""
        return {**super().as_json(), "Extents": self.extent.as_json()}

    @property
    def resolution(self) -> list[float]:
        """Voxel size; reproduces the crash of the real server if it was not set for every axis."""
        _check_three(self.voxel_size)
        return self.voxel_size

    @route("GET", "metadata")
    def metadata(self, node: Node, call: Call) -> Response:
        """Return axes and extents; reproduces the crash of the real server if units were not set for every axis."""
        _check_three(self.voxel_units)
        low, high = self.extent.low or (0, 0, 0), self.extent.high or (-1, -1, -1)
        axes = [
            {
                "Label": "XYZ"[axis],
                "Resolution": self.resolution[axis],
                "Units": self.voxel_units[axis],
                "Size": high[axis] - low[axis] + 1,
                "Offset": low[axis],
            }
            for axis in range(3)
        ]
        return json_response({"Axes": axes, "Properties": self.extended()})

    @route("POST", "resolution")
    def set_resolution(self, node: Node, call: Call) -> Response:
        """Set the voxel size."""
        self.voxel_size = call.json(list[float])
        return empty_response()

    @route("POST", "extents")
    def set_extents(self, node: Node, call: Call) -> Response:
        """Set the extents."""
        if not self.has_extents:
            raise self.unknown(call)
        payload = call.json(dict[str, Xyz])
        if not {"MinPoint", "MaxPoint"} <= payload.keys():
            raise Refusal("extents must be a JSON object with MinPoint and MaxPoint")
        self.extent.low, self.extent.high = payload["MinPoint"], payload["MaxPoint"]
        return empty_response()

    def outside_roi(self, node: Node, call: Call, region: Region) -> NDArray[np.bool_] | None:
        """Return the mask of a region outside the ROI in the query, None without an ROI."""
        if not call.query.get("roi"):
            return None
        roi, version = find_roi(self.repo, node, call.query["roi"])
        return ~roi.mask(version, region)


def _check_three(values: Sequence[object]) -> None:
    n = len(values)
    if n < 3:
        raise Refusal(f"runtime error: index out of range [{n}] with length {n}", 500, bare=True)
