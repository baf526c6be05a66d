"""State of a labelmap by version: supervoxels, mapping to bodies, label indices, label ids in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from standins.dvid.calls import Call, Refusal, Xyz, empty_not_found, signed
from standins.dvid.instances import Synced, Tagged
from standins.dvid.types.labelmap.blocks import LabelBlock, Labels, halve_into
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.volumes import VolumeInstance
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import Region, assemble

Blocks = Mapping[Xyz, LabelBlock]


@dataclass(frozen=True)
class View:
    """Level of the requested labels, and whether they are bodies or supervoxels."""

    level: int
    supervoxels: bool

    @classmethod
    def parse(cls, call: Call) -> View:
        """Parse a query."""
        return cls(level(call), call.flag("supervoxels"))


def level(call: Call) -> int:
    """Parse the level in a query; missing and negative ones are 0."""
    found = call.option("scale", 0)
    if found > 255:
        raise Refusal(f"bad scale specified: {found}")
    return max(0, found)


class LabelState(VolumeInstance, Tagged, Synced):
    """Data of a labelmap, kept consistent; without requests."""

    dtype, source, compression = "uint64", "labelmap", "gzip compression, level -1"
    default_block: ClassVar[int] = 64
    interpolable: ClassVar[bool] = False

    def create(self, options: Mapping[str, str]) -> None:
        """Initialize from the options of the creation."""
        super().create(options)
        if any(n % 16 for n in self.block_size):
            raise Refusal("BlockSize must be multiples of 16")
        self.max_level = signed(options.get("maxdownreslevel", "0"))
        self.blocks: Versioned[tuple[int, Xyz], LabelBlock] = Versioned()
        self.bodies: Versioned[int, LabelIndex] = Versioned()
        self.mapping: Versioned[int, int] = Versioned()
        self.max_label: dict[int, int] = {}
        self.indexed = options.get("indexedlabels", "true").lower() not in {"false", "0"}
        self.max_repo_label = self.next_label = self.ceiling = 0

    @property
    def value_label(self) -> str:
        """Name of its values."""
        return "labelmap"

    def extended(self) -> dict[str, Any]:
        """Return the type's own part of ``/info``."""
        return {
            **super().extended(),
            "MaxLabel": {str(number): label for number, label in self.max_label.items()},
            "MaxRepoLabel": self.max_repo_label,
            "NextLabel": self.next_label,
            "IndexedLabels": self.indexed,
            "MaxDownresLevel": self.max_level,
        }

    def largest(self, node: Node) -> int:
        """Return the largest label of a version, 0 if there is none."""
        return max((self.max_label.get(ancestor.number, 0) for ancestor in node.lineage), default=0)

    def register_label(self, node: Node, label: int) -> None:
        """Record that a label is in use."""
        self.max_repo_label = max(self.max_repo_label, label)
        if label > self.largest(node):
            self.max_label[node.number] = label

    def new_labels(self, node: Node, count: int) -> range:
        """Reserve unused label ids."""
        first = (self.next_label or self.max_repo_label) + 1
        if self.next_label:
            if self.ceiling and first + count - 1 > self.ceiling:
                raise Refusal(f"new labels would exceed the ceiling {self.ceiling} of this instance")
            self.next_label += count
        self.register_label(node, first + count - 1)
        return range(first, first + count)

    def body_of(self, node: Node, supervoxel: int) -> int:
        """Return the body of a supervoxel; 0 if it was split, the supervoxel itself if it is not mapped."""
        mapped = self.mapping.get(node, supervoxel)
        return supervoxel if mapped is None else mapped

    def body(self, node: Node, label: int, *, supervoxel: bool = False) -> LabelIndex:
        """Return the index of a body, or of one supervoxel; raises 404 if there is none."""
        index = self.bodies.get(node, self.body_of(node, label) if supervoxel else label)
        if index is not None and supervoxel:
            index = index.select({label})
        if index is None or not index.blocks:
            raise empty_not_found()
        return index

    def block(self, node: Node, view: View, coord: Xyz) -> LabelBlock | None:
        """Return the labels of a block in a view."""
        block = self.blocks.get(node, (view.level, coord))
        if block is None or view.supervoxels:
            return block
        return block.map_labels({supervoxel: self.body_of(node, supervoxel) for supervoxel in block.counts})

    def read(self, node: Node, view: View, region: Region) -> Labels:
        """Return the (z, y, x) array of a region, with zeros where nothing was written."""

        def voxels(coord: Xyz) -> Labels | None:
            block = self.block(node, view, coord)
            return None if block is None else block.voxels

        return assemble(region, self.block_size, np.uint64, voxels)

    def ingest(self, node: Node, blocks: Blocks, *, mutate: bool, index: bool = True) -> None:
        """Store blocks of the finest level.

        As in DVID, the index includes the new voxels, but excludes the old ones only with ``mutate``.
        """
        changes: dict[int, dict[Xyz, dict[int, int]]] = {}
        for coord, block in blocks.items():
            old = self.blocks.get(node, (0, coord)) if mutate else None
            for counts, sign in ((block.counts, 1), (old.counts if old else {}, -1)):
                for supervoxel, n in counts.items():
                    change = changes.setdefault(self.body_of(node, supervoxel), {}).setdefault(coord, {})
                    change[supervoxel] = change.get(supervoxel, 0) + sign * n
            self._store(node, coord, block)
        if index:
            self._index(node, changes)

    def _store(self, node: Node, coord: Xyz, block: LabelBlock) -> None:
        self.blocks.put(node, (0, coord), block)
        self.register_label(node, max(block.counts, default=0))
        low = [n * b for n, b in zip(coord, self.block_size, strict=True)]
        high = [n + b - 1 for n, b in zip(low, self.block_size, strict=True)]
        self.extent.include((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def _index(self, node: Node, changes: Mapping[int, Mapping[Xyz, Mapping[int, int]]]) -> None:
        for body, by_block in changes.items():
            if body:
                self.put_body(node, body, (self.bodies.get(node, body) or LabelIndex()).add(by_block))

    def put_body(self, node: Node, label: int, index: LabelIndex) -> None:
        """Store the index of a body, or delete the body if the index is empty."""
        if index.blocks:
            self.bodies.put(node, label, index)
        else:
            self.bodies.delete(node, label)

    def downscale(self, node: Node, coords: Iterable[Xyz]) -> None:
        """Update the coarser levels for changed blocks of the finest one."""
        changed = set(coords)
        for coarser in range(1, self.max_level + 1):
            groups: dict[Xyz, dict[Xyz, Labels]] = {}
            for x, y, z in changed:
                block = self.blocks.get(node, (coarser - 1, (x, y, z)))
                if block is not None:
                    groups.setdefault((x // 2, y // 2, z // 2), {})[x, y, z] = block.voxels
            for coord, octants in groups.items():
                old = self.blocks.get(node, (coarser, coord))
                low = old.voxels if old else np.zeros(self.block_size[::-1], np.uint64)
                self.blocks.put(node, (coarser, coord), LabelBlock(halve_into(low, octants)))
            changed = set(groups)
