"""Labels without an index, the older type."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, binary_response, json_response, xyz
from standins.dvid.codecs import compression
from standins.dvid.instances import Instance, Synced, Tagged, route
from standins.dvid.types.imageblk import ImageBlocks
from standins.dvid.versions import Node
from standins.dvid.voxels import Region


class LabelBlocks(ImageBlocks, Tagged, Synced):
    """64-bit labels in blocks."""

    typename, dtype, source = "labelblk", "uint64", "labelblk"
    interpolable: ClassVar[bool] = False
    has_extents: ClassVar[bool] = False

    @property
    def value_label(self) -> str:
        """Name of its values."""
        return "labelblk"

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {**super().extended(), "MinIndex": None, "MaxIndex": None}

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``/info``, without the extents of other types with voxels."""
        return Instance.as_json(self)

    def volume_response(self, array: NDArray[Any], call: Call) -> Response:
        """Return the response with a volume in the requested compression."""
        encode = compression.VOLUMES.get(name := call.query.get("compression", ""))
        if encode is None:
            raise Refusal(f'unknown compression type "{name}"')
        return binary_response(encode(array), {"Content-Encoding": "gzip"} if name == "googlegzip" else None)

    def label_at(self, node: Node, at: Xyz) -> int:
        """Return the label of one voxel."""
        return int(self.read(node, Region(at, (1, 1, 1))).astype(np.uint64)[0, 0, 0])

    @route("GET", "label")
    def get_label(self, node: Node, call: Call) -> Response:
        """Return the label at a point."""
        return json_response({"Label": self.label_at(node, xyz(call.part(1)))})

    @route("GET", "labels")
    def get_labels(self, node: Node, call: Call) -> Response:
        """Return the labels at the points in the body."""
        return json_response([self.label_at(node, at) for at in call.points("Bad labels request JSON: ")])
