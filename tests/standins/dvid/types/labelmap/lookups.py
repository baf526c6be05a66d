"""Look-ups of labels: at points, mappings, sizes, supervoxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Xyz, binary_response, json_response, unsigned, xyz
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.labelmap.state import LabelState, View
from standins.dvid.versions import Node

_MAX_LABELS = 10_000_000


class Lookups(LabelState):
    """Requests for look-ups."""

    def label_at(self, node: Node, view: View, at: Xyz) -> int:
        """Return the label of one voxel, 0 where nothing was written."""
        coord = tuple(n // b for n, b in zip(at, self.block_size, strict=True))
        x, y, z = (n % b for n, b in zip(at, self.block_size, strict=True))
        block = self.blocks.get(node, (view.level, (coord[0], coord[1], coord[2])))
        supervoxel = 0 if block is None else int(block.voxels[z, y, x])
        return supervoxel if view.supervoxels else self.body_of(node, supervoxel)

    def sizes_of(self, node: Node, labels: Sequence[int], *, supervoxels: bool) -> list[int]:
        """Return the numbers of voxels of labels, 0 for unknown ones."""
        sizes = []
        for label in labels:
            index = self.bodies.get(node, self.body_of(node, label) if supervoxels else label) or LabelIndex()
            sizes.append(index.supervoxels[label] if supervoxels else index.size)
        return sizes

    def existing_bodies(self, node: Node) -> dict[int, LabelIndex]:
        """Return all bodies with their indices, sorted."""
        return {label: index for label, index in sorted(self.bodies.items(node).items()) if index.blocks}

    @route("GET", "label")
    def get_label(self, node: Node, call: Call) -> Response:
        """Return the label at a point."""
        return json_response({"Label": self.label_at(node, View.parse(call), xyz(call.part(1)))})

    @route("GET", "labels")
    def get_labels(self, node: Node, call: Call) -> Response:
        """Return the labels at the points in the body.

        As in DVID, points below 0 get labels of other voxels if the request has other points too.
        """
        call.check_hash()
        points, view = call.points("Bad labels request JSON: "), View.parse(call)
        if any(min(at) >= 0 for at in points):
            points = [(abs(x), abs(y), abs(z)) for x, y, z in points]
        return json_response([self.label_at(node, view, at) for at in points])

    @route("GET", "mapping")
    def get_mapping(self, node: Node, call: Call) -> Response:
        """Return the bodies of supervoxels; 0 for those that do not exist, unless ``nolookup`` skips the check."""
        call.check_hash()
        supervoxels = call.json(Ids, "Bad mapping request JSON: ")
        mapped = [self.mapping.get(node, supervoxel) for supervoxel in supervoxels]
        if call.flag("nolookup"):
            known: Sequence[int] = supervoxels
        else:
            known = self.sizes_of(node, supervoxels, supervoxels=True)
        bodies = zip(supervoxels, mapped, known, strict=True)
        return json_response([(sv if n else 0) if body is None else body for sv, body, n in bodies])

    @route("GET", "mappings")
    def get_mappings(self, node: Node, call: Call) -> Response:
        """Return the whole mapping, as lines or as pairs of uint64."""
        pairs = list(self.mapping.items(node).items())
        if call.query.get("format") == "binary":
            return binary_response(np.array(pairs, "<u8").tobytes())
        return Response("".join(f"{old} {new}\n" for old, new in pairs), media_type="text/plain")

    @route("GET", "size")
    def get_size(self, node: Node, call: Call) -> Response:
        """Return the number of voxels of a body or supervoxel."""
        index = self._requested_index(node, call)
        return json_response({"voxels": index.size})

    def _requested_index(self, node: Node, call: Call) -> LabelIndex:
        return self.body(node, call.label(), supervoxel=call.flag("supervoxels"))

    @route("GET", "sizes")
    def get_sizes(self, node: Node, call: Call) -> Response:
        """Return the numbers of voxels of the labels in the body, 0 for unknown ones."""
        call.check_hash()
        labels = call.json(Ids, "Bad mapping request JSON: ")
        return json_response(self.sizes_of(node, labels, supervoxels=call.flag("supervoxels")))

    @route("GET", "supervoxels")
    def get_supervoxels(self, node: Node, call: Call) -> Response:
        """Return the supervoxels of a body."""
        return json_response(list(self.body(node, call.label()).supervoxels))

    @route("GET", "supervoxel-sizes")
    def get_supervoxel_sizes(self, node: Node, call: Call) -> Response:
        """Return the supervoxels of a body with their numbers of voxels."""
        counts = self.body(node, call.label()).supervoxels
        return json_response({"supervoxels": list(counts), "sizes": list(counts.values())})

    @route("GET", "sparsevol-size")
    def get_sparsevol_size(self, node: Node, call: Call) -> Response:
        """Return the numbers of voxels and blocks, and the bounds of the blocks."""
        index = self._requested_index(node, call)
        bounds = [(min(axis), max(axis)) for axis in zip(*index.blocks, strict=True)]
        reply: dict[str, Any] = {"voxels": index.size, "numblocks": len(index.blocks)}
        reply["minvoxel"] = [low * b for (low, _), b in zip(bounds, self.block_size, strict=True)]
        reply["maxvoxel"] = [(high + 1) * b - 1 for (_, high), b in zip(bounds, self.block_size, strict=True)]
        return json_response(reply)

    @route("GET", "existing-labels")
    def get_existing(self, node: Node, call: Call) -> Response:
        """Return all bodies."""
        return json_response(list(self.existing_bodies(node)))

    @route("GET", "listlabels")
    def get_list(self, node: Node, call: Call) -> Response:
        """Return bodies from a start on as uint64; with ``sizes``, as pairs."""
        start, number = unsigned(call.query.get("start") or "0"), unsigned(call.query.get("number") or str(_MAX_LABELS))
        selected = [(label, index) for label, index in self.existing_bodies(node).items() if label >= start][:number]
        if call.flag("sizes"):
            return binary_response(np.array([(label, index.size) for label, index in selected], "<u8").tobytes())
        return binary_response(np.array([label for label, _ in selected], "<u8").tobytes())
