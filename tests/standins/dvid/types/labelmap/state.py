"""What a labelmap holds a version: supervoxels, the mapping to bodies, the index of every body, used label ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from standins.dvid.calls import Call, Refusal, Xyz, absent, signed
from standins.dvid.instances import Synced, Tagged
from standins.dvid.types.labelmap.blocks import LabelBlock, Labels, halve_into
from standins.dvid.types.labelmap.index import LabelIndex
from standins.dvid.types.volumes import VolumeInstance
from standins.dvid.versions import Node, Versioned
from standins.dvid.voxels import Region, assemble

Blocks = Mapping[Xyz, LabelBlock]


@dataclass(frozen=True)
class View:
    """How a request wants its labels: at which level, and as bodies or supervoxels."""

    level: int
    supervoxels: bool

    @classmethod
    def of(cls, call: Call) -> View:
        """Read a query."""
        return cls(level(call), call.flag("supervoxels"))


def level(call: Call) -> int:
    """The level that a query asks for; a missing one and a negative one are 0."""
    found = call.option("scale", 0)
    if found > 255:
        raise Refusal(f"bad scale specified: {found}")
    return max(0, found)


class LabelState(VolumeInstance, Tagged, Synced):
    """The data of a labelmap and what keeps them in step; without requests."""

    dtype, source, compression = "uint64", "labelmap", "gzip compression, level -1"
    default_block: ClassVar[int] = 64
    interpolable: ClassVar[bool] = False

    def create(self, options: Mapping[str, str]) -> None:
        """Read the options of its creation."""
        super().create(options)
        self.max_level = signed(options.get("maxdownreslevel", "7"))
        self.blocks: Versioned[tuple[int, Xyz], LabelBlock] = Versioned()
        self.bodies: Versioned[int, LabelIndex] = Versioned()
        self.mapping: Versioned[int, int] = Versioned()
        self.max_label: dict[int, int] = {}
        self.indexed = options.get("indexedlabels", "true").lower() not in {"false", "0"}
        self.max_repo_label = self.next_label = self.ceiling = 0

    @property
    def value_label(self) -> str:
        """What its values are called."""
        return "labelmap"

    def extended(self) -> dict[str, Any]:
        """What ``/info`` tells beyond the common part."""
        return {
            **super().extended(),
            "MaxLabel": {str(number): label for number, label in self.max_label.items()},
            "MaxRepoLabel": self.max_repo_label,
            "NextLabel": self.next_label,
            "IndexedLabels": self.indexed,
            "MaxDownresLevel": self.max_level,
        }

    def largest(self, node: Node) -> int:
        """The largest label that the version has seen, 0 where there is none."""
        return max((self.max_label.get(ancestor.number, 0) for ancestor in node.lineage), default=0)

    def saw(self, node: Node, label: int) -> None:
        """Note that a label is in use."""
        self.max_repo_label = max(self.max_repo_label, label)
        if label > self.largest(node):
            self.max_label[node.number] = label

    def new_labels(self, node: Node, count: int) -> range:
        """Use up unused label ids."""
        first = (self.next_label or self.max_repo_label) + 1
        if self.next_label:
            if self.ceiling and first + count - 1 > self.ceiling:
                raise Refusal(f"new labels would exceed the ceiling {self.ceiling} of this instance")
            self.next_label += count
        self.saw(node, first + count - 1)
        return range(first, first + count)

    def body_of(self, node: Node, supervoxel: int) -> int:
        """The body of a supervoxel; 0 where it was split up, itself where nothing is known."""
        mapped = self.mapping.get(node, supervoxel)
        return supervoxel if mapped is None else mapped

    def body(self, node: Node, label: int, *, supervoxel: bool = False) -> LabelIndex:
        """The index of a body, or of one supervoxel of it; 404 where there is none."""
        index = self.bodies.get(node, self.body_of(node, label) if supervoxel else label)
        if index is not None and supervoxel:
            index = index.only({label})
        if index is None or not index.blocks:
            raise absent()
        return index

    def block(self, node: Node, view: View, place: Xyz) -> LabelBlock | None:
        """The labels of a block, as a view wants them."""
        block = self.blocks.get(node, (view.level, place))
        if block is None or view.supervoxels:
            return block
        return block.mapped({supervoxel: self.body_of(node, supervoxel) for supervoxel in block.counts})

    def read(self, node: Node, view: View, asked_for: Region) -> Labels:
        """The (z, y, x) array of a region, zeros where nothing was written."""

        def voxels(place: Xyz) -> Labels | None:
            block = self.block(node, view, place)
            return None if block is None else block.voxels

        return assemble(asked_for, self.block_size, np.uint64, voxels)

    def ingest(self, node: Node, blocks: Blocks, *, mutate: bool, index: bool = True) -> None:
        """Store blocks of the finest level.

        As in DVID, the index takes the new voxels in, and forgets the old ones only with ``mutate``.
        """
        changes: dict[int, dict[Xyz, dict[int, int]]] = {}
        for place, block in blocks.items():
            old = self.blocks.get(node, (0, place)) if mutate else None
            for counts, sign in ((block.counts, 1), (old.counts if old else {}, -1)):
                for supervoxel, n in counts.items():
                    own = changes.setdefault(self.body_of(node, supervoxel), {}).setdefault(place, {})
                    own[supervoxel] = own.get(supervoxel, 0) + sign * n
            self._store(node, place, block)
        if index:
            self._index(node, changes)

    def _store(self, node: Node, place: Xyz, block: LabelBlock) -> None:
        self.blocks.put(node, (0, place), block)
        self.saw(node, max(block.counts, default=0))
        low = [n * b for n, b in zip(place, self.block_size, strict=True)]
        high = [n + b - 1 for n, b in zip(low, self.block_size, strict=True)]
        self.extent.include((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def _index(self, node: Node, changes: Mapping[int, Mapping[Xyz, Mapping[int, int]]]) -> None:
        for body, by_block in changes.items():
            if body:
                self.put_body(node, body, (self.bodies.get(node, body) or LabelIndex()).changed(by_block))

    def put_body(self, node: Node, label: int, index: LabelIndex) -> None:
        """Store the index of a body, or forget the body where it is empty."""
        if index.blocks:
            self.bodies.put(node, label, index)
        else:
            self.bodies.delete(node, label)

    def downscale(self, node: Node, places: Iterable[Xyz]) -> None:
        """Bring the coarser levels in step with blocks of the finest one."""
        changed = set(places)
        for coarser in range(1, self.max_level + 1):
            groups: dict[Xyz, dict[Xyz, Labels]] = {}
            for x, y, z in changed:
                block = self.blocks.get(node, (coarser - 1, (x, y, z)))
                if block is not None:
                    groups.setdefault((x // 2, y // 2, z // 2), {})[x, y, z] = block.voxels
            for place, octants in groups.items():
                old = self.blocks.get(node, (coarser, place))
                low = old.voxels if old else np.zeros(self.block_size[::-1], np.uint64)
                self.blocks.put(node, (coarser, place), LabelBlock(halve_into(low, octants)))
            changed = set(groups)
