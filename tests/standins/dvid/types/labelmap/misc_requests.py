"""Rare requests to a labelmap."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, json_response
from standins.dvid.instances import route
from standins.dvid.types.labelmap.state import LabelState, View
from standins.dvid.versions import Node


class MiscRequests(LabelState):
    """Requests for proximity, mapping statistics and grids."""

    @route("GET", "proximity")
    def proximity(self, node: Node, call: Call) -> Response:
        """Return the blocks that two labels share, with the distance of their voxels there.

        As in the real server, the labels are two parts of the path; the commas in its documentation are refused.
        """
        one, other = (self.body(node, call.label(index)) for index in (1, 2))
        if call.number(1) == call.number(2):
            raise Refusal("the two supplied labels were identical")
        near: list[dict[str, Any]] = []
        for coord in sorted(one.blocks.keys() & other.blocks.keys(), key=lambda coord: coord[::-1]):
            block = self.block(node, View(0, supervoxels=False), coord)
            if block is not None:
                distances = distance_transform_edt(block.voxels != call.number(1))
                distance = float(np.min(distances[block.voxels == call.number(2)]))
                near.append({"Block": coord, "Distance": distance})
        return json_response(near)

    @route("GET", "map-stats")
    def map_stats(self, node: Node, call: Call) -> Response:
        """Return the size of the mapping."""
        return json_response({"Map entries": len(self.mapping.items(node))})

    @route("GET", "fvdb")
    def grid(self, node: Node, call: Call) -> Response:
        """Refuse NanoVDB grids of existing labels."""
        self.body(node, call.label(), supervoxel=call.flag("supervoxels"))
        raise Refusal("NanoVDB grids are not made by this stand-in", 501)
