"""The type ``labelmap``, put together."""

from __future__ import annotations

from starlette.responses import Response

from voxome.testing.dvid.calls import Call, as_json
from voxome.testing.dvid.instances import route
from voxome.testing.dvid.types.labelmap.edits import Edits
from voxome.testing.dvid.types.labelmap.indices import Indices
from voxome.testing.dvid.types.labelmap.sparse import Sparse
from voxome.testing.dvid.types.labelmap.splits import Splits
from voxome.testing.dvid.types.labelmap.voxels import Voxels
from voxome.testing.dvid.versions import Node


class LabelMap(Voxels, Sparse, Indices, Edits, Splits):
    """Labels with an index."""

    typename = "labelmap"

    @route("GET", "proximity")
    def proximity(self, node: Node, call: Call) -> Response:
        """Refuse, as the real server does for the labels with commas between them that it documents."""
        return as_json(call.number(1))

    @route("GET", "map-stats")
    def map_stats(self, node: Node, call: Call) -> Response:
        """How much is mapped."""
        return as_json({"Map entries": len(self.mapping.items(node))})
