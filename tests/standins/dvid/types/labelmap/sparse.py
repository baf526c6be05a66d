"""Bodies as sparse volumes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, absent, done, octets, xyz
from standins.dvid.codecs import compression, runs
from standins.dvid.instances import route
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.labelmap.lookups import Lookups
from standins.dvid.types.labelmap.state import View
from standins.dvid.versions import Node

Masks = list[tuple[Xyz, NDArray[np.bool_]]]
"""Offset and (z, y, x) mask of blocks."""
_FAR = 1 << 31
_COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "none": lambda data: data,
    "gzip": compression.packed,
    "lz4": compression.lz4,
}


class Bounds:
    """The box, in voxels and both ends included, that a query asks for."""

    def __init__(self, call: Call) -> None:
        self.low = [call.option(f"min{axis}", -_FAR) for axis in "xyz"]
        self.high = [call.option(f"max{axis}", _FAR) for axis in "xyz"]

    def meets(self, offset: Xyz, size: Xyz) -> bool:
        """Whether any voxel of a block lies within."""
        ends = zip(offset, size, self.low, self.high, strict=True)
        return all(start <= high and start + n > low for start, n, low, high in ends)

    def clear(self, mask: NDArray[np.bool_], offset: Xyz) -> None:
        """Clear what lies outside."""
        for axis, (start, low, high) in enumerate(zip(offset, self.low, self.high, strict=True)):
            view = np.moveaxis(mask, 2 - axis, 0)
            view[: max(0, low - start)] = False
            view[max(0, high - start + 1) :] = False


class Sparse(Lookups):
    """The requests that ask for the voxels of one label."""

    @route("GET", "sparsevol")
    def get_sparsevol(self, node: Node, call: Call) -> Response:
        """The voxels of a label in one of three forms."""
        return self._sparsevol(node, call.label(), call)

    @route("HEAD", "sparsevol")
    def head_sparsevol(self, node: Node, call: Call) -> Response:
        """Whether a label has voxels."""
        label = call.label()
        try:
            index = self.body(node, label, supervoxel=call.flag("supervoxels"))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return Response(status_code=204)
        bounds = Bounds(call)
        near = any(bounds.meets(self._offset(place), self.block_size) for place in index.blocks)
        return done() if near else Response(status_code=204)

    @route("GET", "sparsevol-by-point")
    def get_by_point(self, node: Node, call: Call) -> Response:
        """The voxels of the label at a point."""
        label = self.label_at(node, View.of(call), xyz(call.part(1)))
        if not label:
            raise Refusal("Label 0 is protected background value and cannot be used as sparse volume.\n")
        return self._sparsevol(node, label, call)

    @route("GET", "sparsevol-coarse")
    def get_coarse(self, node: Node, call: Call) -> Response:
        """The blocks of a label as runs."""
        index = self.body(node, call.label(), supervoxel=call.flag("supervoxels"))
        bounds = Bounds(call)
        places = [place for place in index.blocks if bounds.meets(self._offset(place), self.block_size)]
        return octets(runs.encode(runs.of_places(places)))

    @route("GET", "sparsevols-coarse")
    def get_coarse_range(self, node: Node, call: Call) -> Response:
        """The blocks of all labels in a range, one after another."""
        first, last, bounds = call.label(1), call.label(2), Bounds(call)
        out = []
        for label, index in self.existing(node).items():
            if first <= label <= last:
                table = runs.of_places(p for p in index.blocks if bounds.meets(self._offset(p), self.block_size))
                out.append(struct.pack("<QI", label, len(table)) + table.astype("<i4").tobytes())
        return octets(b"".join(out))

    def _offset(self, place: Xyz) -> Xyz:
        x, y, z = (n * b for n, b in zip(place, self.block_size, strict=True))
        return x, y, z

    def masks(self, node: Node, label: int, view: View) -> Masks:
        """Where a label lies, block by block at a level."""
        index = self.body(node, label, supervoxel=view.supervoxels)
        found: Masks = []
        for place, supervoxels in sorted(self._supervoxels(index, view.level).items(), key=lambda item: item[0][::-1]):
            block = self.blocks.get(node, (view.level, place))
            if block is not None:
                found.append((self._offset(place), np.isin(block.voxels, np.array([*supervoxels], np.uint64))))
        return found

    @staticmethod
    def _supervoxels(index: LabelIndex, level: int) -> dict[Xyz, set[int]]:
        by_place: dict[Xyz, set[int]] = {}
        for (x, y, z), counts in index.blocks.items():
            by_place.setdefault((x >> level, y >> level, z >> level), set()).update(counts)
        return by_place

    def _sparsevol(self, node: Node, label: int, call: Call) -> Response:
        pack = _COMPRESSIONS.get(name := call.query.get("compression", ""))
        if pack is None:
            raise Refusal(f'unknown compression type "{name}"')
        bounds = Bounds(call)
        masks = [
            (offset, mask)
            for offset, mask in self.masks(node, label, View.of(call))
            if bounds.meets(offset, self.block_size)
        ]
        if not masks:
            raise absent()
        if call.query.get("exact", "true") != "false":
            for offset, mask in masks:
                bounds.clear(mask, offset)
        if call.query.get("format") == "blocks":
            parts = [runs.encode_block(mask, offset) for offset, mask in masks if mask.any()]
            header = runs.block_header(self.block_size[::-1], label)
            return octets(pack(header + b"".join(parts)))
        table = runs.ordered(np.concatenate([runs.of_mask(mask, offset) for offset, mask in masks]))
        if call.query.get("format") == "srles":
            return octets(pack(table.astype("<i4").tobytes()))
        return octets(pack(runs.encode(table)))
