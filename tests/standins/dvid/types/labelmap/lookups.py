"""Questions about labels: which one is where, what it maps to, how large it is, what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.responses import Response

from standins.dvid.calls import Call, Ids, Xyz, as_json, octets, unsigned, xyz
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.labelmap.state import LabelState, View
from standins.dvid.versions import Node

_MOST = 10_000_000


class Lookups(LabelState):
    """The requests that ask about labels."""

    def label_at(self, node: Node, view: View, at: Xyz) -> int:
        """The label of one voxel, 0 where nothing was written."""
        place = tuple(n // b for n, b in zip(at, self.block_size, strict=True))
        x, y, z = (n % b for n, b in zip(at, self.block_size, strict=True))
        block = self.blocks.get(node, (view.level, (place[0], place[1], place[2])))
        supervoxel = 0 if block is None else int(block.voxels[z, y, x])
        return supervoxel if view.supervoxels else self.body_of(node, supervoxel)

    def sizes_of(self, node: Node, labels: Sequence[int], *, supervoxels: bool) -> list[int]:
        """Voxels of labels, 0 for unknown ones."""
        sizes = []
        for label in labels:
            index = self.bodies.get(node, self.body_of(node, label) if supervoxels else label) or LabelIndex()
            sizes.append(index.supervoxels[label] if supervoxels else index.size)
        return sizes

    def existing(self, node: Node) -> dict[int, LabelIndex]:
        """All bodies, in order."""
        return {label: index for label, index in sorted(self.bodies.items(node).items()) if index.blocks}

    @route("GET", "label")
    def get_label(self, node: Node, call: Call) -> Response:
        """The label of a point."""
        return as_json({"Label": self.label_at(node, View.of(call), xyz(call.part(1)))})

    @route("GET", "labels")
    def get_labels(self, node: Node, call: Call) -> Response:
        """The labels of the points in the body."""
        call.check_hash()
        points, view = call.points("Bad labels request JSON: "), View.of(call)
        return as_json([self.label_at(node, view, at) for at in points])

    @route("GET", "mapping")
    def get_mapping(self, node: Node, call: Call) -> Response:
        """The bodies of supervoxels; 0 for what is neither mapped nor there, unless ``nolookup`` trusts in it."""
        call.check_hash()
        supervoxels = call.json(Ids, "Bad mapping request JSON: ")
        mapped = [self.mapping.get(node, supervoxel) for supervoxel in supervoxels]
        if call.flag("nolookup"):
            known: Sequence[int] = supervoxels
        else:
            known = self.sizes_of(node, supervoxels, supervoxels=True)
        bodies = zip(supervoxels, mapped, known, strict=True)
        return as_json([(sv if n else 0) if body is None else body for sv, body, n in bodies])

    @route("GET", "mappings")
    def get_mappings(self, node: Node, call: Call) -> Response:
        """All that is mapped, as lines or as pairs of uint64."""
        pairs = list(self.mapping.items(node).items())
        if call.query.get("format") == "binary":
            return octets(np.array(pairs, "<u8").tobytes())
        return Response("".join(f"{old} {new}\n" for old, new in pairs), media_type="text/plain")

    @route("GET", "size")
    def get_size(self, node: Node, call: Call) -> Response:
        """The voxels of a body or a supervoxel."""
        index = self._asked(node, call)
        return as_json({"voxels": index.size})

    def _asked(self, node: Node, call: Call) -> LabelIndex:
        return self.body(node, call.label(), supervoxel=call.flag("supervoxels"))

    @route("GET", "sizes")
    def get_sizes(self, node: Node, call: Call) -> Response:
        """The voxels of the labels in the body, 0 for unknown ones."""
        call.check_hash()
        labels = call.json(Ids, "Bad mapping request JSON: ")
        return as_json(self.sizes_of(node, labels, supervoxels=call.flag("supervoxels")))

    @route("GET", "supervoxels")
    def get_supervoxels(self, node: Node, call: Call) -> Response:
        """What a body is made of."""
        return as_json(list(self.body(node, call.label()).supervoxels))

    @route("GET", "supervoxel-sizes")
    def get_supervoxel_sizes(self, node: Node, call: Call) -> Response:
        """What a body is made of, with voxels."""
        counts = self.body(node, call.label()).supervoxels
        return as_json({"supervoxels": list(counts), "sizes": list(counts.values())})

    @route("GET", "sparsevol-size")
    def get_sparsevol_size(self, node: Node, call: Call) -> Response:
        """Voxels, blocks and the bounds of these."""
        index = self._asked(node, call)
        bounds = [(min(axis), max(axis)) for axis in zip(*index.blocks, strict=True)]
        told: dict[str, Any] = {"voxels": index.size, "numblocks": len(index.blocks)}
        told["minvoxel"] = [low * b for (low, _), b in zip(bounds, self.block_size, strict=True)]
        told["maxvoxel"] = [(high + 1) * b - 1 for (_, high), b in zip(bounds, self.block_size, strict=True)]
        return as_json(told)

    @route("GET", "existing-labels")
    def get_existing(self, node: Node, call: Call) -> Response:
        """All bodies."""
        return as_json(list(self.existing(node)))

    @route("GET", "listlabels")
    def get_list(self, node: Node, call: Call) -> Response:
        """Bodies from a start on, as uint64, with ``sizes`` in pairs."""
        start, number = unsigned(call.query.get("start") or "0"), unsigned(call.query.get("number") or str(_MOST))
        chosen = [(label, index) for label, index in self.existing(node).items() if label >= start][:number]
        if call.flag("sizes"):
            return octets(np.array([(label, index.size) for label, index in chosen], "<u8").tobytes())
        return octets(np.array([label for label, _ in chosen], "<u8").tobytes())
