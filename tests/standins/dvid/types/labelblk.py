"""Labels without an index, the older type."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, as_json, octets, xyz
from standins.dvid.codecs import compression
from standins.dvid.instances import Synced, Tagged, route
from standins.dvid.types.imageblk import ImageBlocks
from standins.dvid.versions import Node
from standins.dvid.voxels import Region


class LabelBlocks(ImageBlocks, Tagged, Synced):
    """Labels of 64 bits in blocks."""

    typename, dtype, source = "labelblk", "uint64", "labelblk"
    interpolable: ClassVar[bool] = False

    @property
    def value_label(self) -> str:
        """What its values are called."""
        return "labelblk"

    def extended(self) -> dict[str, Any]:
        """What ``/info`` tells beyond the common part."""
        return {**super().extended(), "MinIndex": None, "MaxIndex": None}

    def packed(self, array: NDArray[Any], call: Call) -> Response:
        """The answer that carries a volume, in the asked compression."""
        encode = compression.VOLUMES.get(name := call.query.get("compression", ""))
        if encode is None:
            raise Refusal(f'unknown compression type "{name}"')
        return octets(encode(array), {"Content-Encoding": "gzip"} if name == "googlegzip" else None)

    def label_at(self, node: Node, at: Xyz) -> int:
        """The label of one voxel."""
        return int(self.read(node, Region(at, (1, 1, 1))).astype(np.uint64)[0, 0, 0])

    @route("GET", "label")
    def get_label(self, node: Node, call: Call) -> Response:
        """The label of a point."""
        return as_json({"Label": self.label_at(node, xyz(call.part(1)))})

    @route("GET", "labels")
    def get_labels(self, node: Node, call: Call) -> Response:
        """The labels of the points in the body."""
        return as_json([self.label_at(node, at) for at in call.points("Bad labels request JSON: ")])
