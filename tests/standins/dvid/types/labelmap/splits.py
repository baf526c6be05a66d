"""Splits of supervoxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, Xyz, json_response, unsigned
from standins.dvid.codecs import runs
from standins.dvid.instances import route
from standins.dvid.types.labelmap.blocks import LabelBlock
from standins.dvid.types.labelmap.history import History
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.versions import Node


class Splits(History):
    """Requests that change supervoxels."""

    @route("POST", "split")
    def split(self, node: Node, call: Call) -> Response:
        """Refuse, as a server with default settings does."""
        raise Refusal("Split endpoint deactivated in this DVID server's configuration.")

    @route("POST", "split-supervoxel")
    def split_supervoxel(self, node: Node, call: Call) -> Response:
        """Split a supervoxel along the runs in the body."""
        supervoxel = call.number(1)
        if not supervoxel:
            raise Refusal("Label 0 is protected background value and cannot be used as split target\n")
        try:
            table = runs.decode(call.body)
            body, index = self._splittable(node, supervoxel)
            blocks = self._split_masks(node, supervoxel, table)
        except Refusal as refusal:
            raise Refusal(f"split supervoxel {supervoxel} -> 0, 0: {refusal.message}") from None
        split, remain = self._ids(node, call)
        mutation = self.repo.next_mutation()
        coords = [coord for coord, counts in index.blocks.items() if supervoxel in counts]
        for coord in coords:
            self._relabel(node, coord, blocks.get(coord), supervoxel, split, remain)
        if call.query.get("downres", "true") != "false":
            self.downscale(node, coords)
        index = self._split_index(node, index, supervoxel, split, remain)
        self.put_body(node, body, self.stamp(index, mutation, call))
        for old, new in ((supervoxel, 0), (split, body), (remain, body)):
            self.mapping.put(node, old, new)
        self._record_split(node, call, mutation, (supervoxel, split, remain, body), index.supervoxels)
        return json_response({"SplitSupervoxel": split, "RemainSupervoxel": remain, "MutationID": mutation})

    def _splittable(self, node: Node, supervoxel: int) -> tuple[int, LabelIndex]:
        body = self.body_of(node, supervoxel)
        if not body:
            text = f"cannot get label for supervoxel {supervoxel}, which has been split and doesn't exist anymore"
            raise Refusal(text)
        index = self.bodies.get(node, body)
        if index is None or supervoxel not in index.supervoxels:
            text = f'unable to split supervoxel {supervoxel} for data "{self.name}": missing label index {body}'
            raise Refusal(text)
        return body, index

    def _split_masks(self, node: Node, supervoxel: int, table: runs.Runs) -> dict[Xyz, NDArray[np.bool_]]:
        masks = {}
        for coord, selected in runs.split_by_block(table, self.block_size).items():
            mask = np.zeros(self.block_size[::-1], bool)
            x, y, z = (n * b for n, b in zip(coord, self.block_size, strict=True))
            runs.paint(selected, mask, (x, y, z))
            block = self.blocks.get(node, (0, coord))
            if block is None or (block.voxels[mask] != supervoxel).any():
                raise Refusal(f"split volume has voxels that are not of supervoxel {supervoxel} in block {coord}")
            masks[coord] = mask
        return masks

    def _ids(self, node: Node, call: Call) -> tuple[int, int]:
        requested = [unsigned(call.query[name]) if name in call.query else 0 for name in ("split", "remain")]
        for label in filter(None, requested):
            self.register_label(node, label)
        split, remain = (label or self.new_labels(node, 1)[0] for label in requested)
        return split, remain

    def _relabel(
        self, node: Node, coord: Xyz, mask: NDArray[np.bool_] | None, supervoxel: int, split: int, remain: int
    ) -> None:
        block = self.blocks.get(node, (0, coord))
        if block is None:
            return
        voxels = block.voxels.copy()
        selected = voxels == supervoxel
        voxels[selected] = remain
        if mask is not None:
            voxels[mask] = split
        self.blocks.put(node, (0, coord), LabelBlock(voxels))

    def _split_index(self, node: Node, index: LabelIndex, supervoxel: int, split: int, remain: int) -> LabelIndex:
        changes = {}
        for coord, counts in index.blocks.items():
            block = self.blocks.get(node, (0, coord))
            if supervoxel in counts and block is not None:
                parts = {label: block.counts[label] for label in (split, remain) if label in block.counts}
                changes[coord] = {supervoxel: -counts[supervoxel], **parts}
        return index.add(changes)

    def _record_split(
        self, node: Node, call: Call, mutation: int, labels: tuple[int, int, int, int], sizes: dict[int, int]
    ) -> None:
        supervoxel, split, remain, body = labels
        self.splits.setdefault(node.number, []).append([mutation, supervoxel, remain, split])
        details = {"Supervoxel": supervoxel, "SplitSupervoxel": split, "RemainSupervoxel": remain, "Body": body}
        details |= {"SplitSize": sizes.get(split, 0), "RemainSize": sizes.get(remain, 0), "MutationID": mutation}
        reference = self.blobs.store(call.body[runs.HEADER :])
        self.record(node, call, "split-supervoxel-complete", Split=reference, **details)
