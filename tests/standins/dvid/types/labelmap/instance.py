"""The type ``labelmap``."""

from __future__ import annotations

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal
from standins.dvid.types.labelmap.edits import Edits
from standins.dvid.types.labelmap.indices import Indices
from standins.dvid.types.labelmap.misc_requests import MiscRequests
from standins.dvid.types.labelmap.sparse import Sparse
from standins.dvid.types.labelmap.splits import Splits
from standins.dvid.types.labelmap.voxels import Voxels
from standins.dvid.versions import Node

_UNINDEXED = frozenset(
    {"blobstore", "blocks", "existing-labels", "extents", "help", "info", "ingest-supervoxels", "isotropic", "label"}
    | {"labels", "map-stats", "mapping", "mappings", "metadata", "pseudocolor", "raw", "resolution", "specificblocks"}
    | {"sync", "tags"}
)
"""Keywords available without an index."""


class LabelMap(Voxels, Sparse, Indices, Edits, Splits, MiscRequests):
    """Labels with an index."""

    typename = "labelmap"

    def handle(self, node: Node, call: Call) -> Response:
        """Handle a request; ``call.parts[0]`` is its keyword."""
        if not self.indexed and call.parts and call.parts[0] not in _UNINDEXED:
            raise Refusal(f'data "{self.name}" is not label indexed (IndexedLabels=false): no "{call.parts[0]}"')
        return super().handle(node, call)
