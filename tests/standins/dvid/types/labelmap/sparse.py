"""Bodies as sparse volumes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, ServerEnded, Xyz, binary_response, empty_not_found, empty_response, xyz
from standins.dvid.codecs import compression, runs
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.labelmap.lookups import Lookups
from standins.dvid.types.labelmap.state import View
from standins.dvid.versions import Node

Masks = list[tuple[Xyz, NDArray[np.bool_]]]
"""Coordinates and (z, y, x) masks of blocks."""
_FAR = 1 << 31
_COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "none": lambda data: data,
    "gzip": compression.gzip_encode,
    "lz4": compression.lz4,
}


class Bounds:
    """Box in a query, in voxels, both ends inclusive."""

    def __init__(self, call: Call) -> None:
        self.low = [call.option(f"min{axis}", -_FAR) for axis in "xyz"]
        self.high = [call.option(f"max{axis}", _FAR) for axis in "xyz"]

    def meets(self, coord: Xyz, size: Xyz) -> bool:
        """Return whether a block is among those of the box, whose ends DVID rounds towards 0."""
        ends = zip(coord, size, self.low, self.high, strict=True)
        return all(int(low / n) <= index <= int(high / n) for index, n, low, high in ends)

    def clear(self, mask: NDArray[np.bool_], offset: Xyz) -> None:
        """Clear a mask outside the box."""
        for axis, (start, low, high) in enumerate(zip(offset, self.low, self.high, strict=True)):
            view = np.moveaxis(mask, 2 - axis, 0)
            view[: max(0, low - start)] = False
            view[max(0, high - start + 1) :] = False


class Sparse(Lookups):
    """Requests for sparse volumes."""

    @route("GET", "sparsevol")
    def get_sparsevol(self, node: Node, call: Call) -> Response:
        """Return the voxels of a label in one of three formats."""
        return self._sparsevol(node, call.label(), call)

    @route("HEAD", "sparsevol")
    def head_sparsevol(self, node: Node, call: Call) -> Response:
        """Respond with success if a label has voxels, otherwise with 204."""
        label = call.label()
        try:
            index = self.body(node, label, supervoxel=call.flag("supervoxels"))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return Response(status_code=204)
        bounds = Bounds(call)
        near = any(bounds.meets(coord, self.block_size) for coord in index.blocks)
        return empty_response() if near else Response(status_code=204)

    @route("GET", "sparsevol-by-point")
    def get_by_point(self, node: Node, call: Call) -> Response:
        """Return the voxels of the label at a point."""
        label = self.label_at(node, View.parse(call), xyz(call.part(1)))
        if not label:
            raise Refusal("Label 0 is protected background value and cannot be used as sparse volume.\n")
        return self._sparsevol(node, label, call)

    @route("GET", "sparsevol-coarse")
    def get_coarse(self, node: Node, call: Call) -> Response:
        """Return the blocks of a label as runs."""
        index = self.body(node, call.label(), supervoxel=call.flag("supervoxels"))
        bounds = Bounds(call)
        coords = [coord for coord in index.blocks if bounds.meets(coord, self.block_size)]
        return binary_response(runs.encode(runs.from_coords(coords)))

    @route("GET", "sparsevols-coarse")
    def get_coarse_range(self, node: Node, call: Call) -> Response:
        """Return the blocks of all labels in a range."""
        first, last, bounds = call.label(1), call.label(2), Bounds(call)
        out = []
        for label, index in self.existing_bodies(node).items():
            if first <= label <= last:
                table = runs.from_coords(p for p in index.blocks if bounds.meets(p, self.block_size))
                out.append(struct.pack("<QI", label, len(table)) + table.astype("<i4").tobytes())
        return binary_response(b"".join(out))

    def _offset(self, coord: Xyz) -> Xyz:
        x, y, z = (n * b for n, b in zip(coord, self.block_size, strict=True))
        return x, y, z

    def masks(self, node: Node, label: int, view: View) -> Masks:
        """Return the masks of a label in its blocks at a level; the real server ends if one of them is below 0."""
        index = self.body(node, label, supervoxel=view.supervoxels)
        if any(min(coord) < 0 for coord in index.blocks):
            raise ServerEnded(f"{self.name} has label {label} at negative positions")
        found: Masks = []
        for coord, supervoxels in sorted(self._supervoxels(index, view.level).items(), key=lambda item: item[0][::-1]):
            block = self.blocks.get(node, (view.level, coord))
            if block is not None:
                found.append((coord, np.isin(block.voxels, np.array([*supervoxels], np.uint64))))
        return found

    @staticmethod
    def _supervoxels(index: LabelIndex, level: int) -> dict[Xyz, set[int]]:
        by_coord: dict[Xyz, set[int]] = {}
        for (x, y, z), counts in index.blocks.items():
            by_coord.setdefault((x >> level, y >> level, z >> level), set()).update(counts)
        return by_coord

    def _sparsevol(self, node: Node, label: int, call: Call) -> Response:
        pack = _COMPRESSIONS.get(name := call.query.get("compression", ""))
        if pack is None:
            raise Refusal(f'unknown compression type "{name}"')
        bounds = Bounds(call)
        masks = [
            (self._offset(coord), mask)
            for coord, mask in self.masks(node, label, View.parse(call))
            if bounds.meets(coord, self.block_size)
        ]
        if not masks:
            raise empty_not_found()
        if call.query.get("format") == "blocks":
            parts = [runs.encode_block(mask, offset) for offset, mask in masks if mask.any()]
            header = runs.block_header(self.block_size[::-1], label)
            return binary_response(pack(header + b"".join(parts)))
        if call.query.get("exact", "true") != "false":
            for offset, mask in masks:
                bounds.clear(mask, offset)
        table = runs.sort_runs(np.concatenate([runs.from_mask(mask, offset) for offset, mask in masks]))
        if not len(table):
            return binary_response(b"")
        if call.query.get("format") == "srles":
            return binary_response(pack(table.astype("<i4").tobytes()))
        return binary_response(pack(runs.encode(table)))
