"""What few ask of a labelmap."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, as_json
from standins.dvid.instances import route
from standins.dvid.types.labelmap.state import LabelState, View
from standins.dvid.versions import Node


class Others(LabelState):
    """The requests for how near labels are, for mapping statistics and for grids."""

    @route("GET", "proximity")
    def proximity(self, node: Node, call: Call) -> Response:
        """The blocks that two labels share, with the distance of their voxels there.

        As in the real server, the labels are two pieces of the path; the commas of its documentation are refused.
        """
        one, other = (self.body(node, call.label(place)) for place in (1, 2))
        if call.number(1) == call.number(2):
            raise Refusal("the two supplied labels were identical")
        near: list[dict[str, Any]] = []
        for place in sorted(one.blocks.keys() & other.blocks.keys(), key=lambda place: place[::-1]):
            block = self.block(node, View(0, supervoxels=False), place)
            if block is not None:
                far = distance_transform_edt(block.voxels != call.number(1))
                distance = float(np.min(far[block.voxels == call.number(2)]))
                near.append({"Block": place, "Distance": distance})
        return as_json(near)

    @route("GET", "map-stats")
    def map_stats(self, node: Node, call: Call) -> Response:
        """How much is mapped."""
        return as_json({"Map entries": len(self.mapping.items(node))})

    @route("GET", "fvdb")
    def grid(self, node: Node, call: Call) -> Response:
        """Refuse to make NanoVDB grids, of labels that exist."""
        self.body(node, call.label(), supervoxel=call.flag("supervoxels"))
        raise Refusal("NanoVDB grids are not made by this stand-in", 501)
