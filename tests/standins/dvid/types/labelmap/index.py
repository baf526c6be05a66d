"""Where a body lies: how many voxels of which supervoxel in which block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from standins.dvid.calls import Xyz
from standins.dvid.codecs import protobuf

Counts = Mapping[int, int]
"""Voxels by supervoxel."""
_BITS = 21
_SIGN = 1 << _BITS - 1


@dataclass(frozen=True)
class LabelIndex:
    """The index of one body; it is replaced, never changed."""

    blocks: Mapping[Xyz, Counts] = field(default_factory=dict)
    mutation: int = 0
    time: str = ""
    user: str = ""
    app: str = ""

    @property
    def supervoxels(self) -> Counter[int]:
        """Voxels by supervoxel, over all blocks."""
        total: Counter[int] = Counter()
        for counts in self.blocks.values():
            total.update(counts)
        return total

    @property
    def size(self) -> int:
        """All voxels."""
        return self.supervoxels.total()

    def only(self, supervoxels: Collection[int]) -> LabelIndex:
        """The part of some supervoxels."""
        return self._filtered((place, sv, n) for place, sv, n in self if sv in supervoxels)

    def without(self, supervoxels: Collection[int]) -> LabelIndex:
        """The part of all other supervoxels."""
        return self._filtered((place, sv, n) for place, sv, n in self if sv not in supervoxels)

    def _filtered(self, entries: Iterator[tuple[Xyz, int, int]]) -> LabelIndex:
        blocks: dict[Xyz, dict[int, int]] = {}
        for place, supervoxel, count in entries:
            blocks.setdefault(place, {})[supervoxel] = count
        return replace(self, blocks=blocks)

    def changed(self, changes: Mapping[Xyz, Counts]) -> LabelIndex:
        """The index with voxels added (or taken away) by block; what is empty is left out."""
        blocks = dict(self.blocks)
        for place, change in changes.items():
            sums = Counter(blocks.get(place, {}))
            sums.update(change)
            kept = {supervoxel: n for supervoxel, n in sums.items() if n > 0}
            if kept:
                blocks[place] = kept
            else:
                blocks.pop(place, None)
        return replace(self, blocks=blocks)

    def __iter__(self) -> Iterator[tuple[Xyz, int, int]]:
        for place, counts in self.blocks.items():
            for supervoxel, count in counts.items():
                yield place, supervoxel, count


def encode(label: int, index: LabelIndex) -> bytes:
    """The message ``LabelIndex``."""
    fields: list[protobuf.Field] = []
    for place, counts in index.blocks.items():
        entries = protobuf.encode((1, protobuf.encode([(1, sv), (2, n)])) for sv, n in counts.items())
        fields.append((1, protobuf.encode([(1, _block_key(place)), (2, entries)])))
    texts: list[protobuf.Field] = [
        (number, text.encode()) for number, text in ((4, index.time), (5, index.user), (6, index.app)) if text
    ]
    return protobuf.encode([*fields, (2, label), (3, index.mutation), *texts])


def decode(data: bytes) -> tuple[int, LabelIndex]:
    """The label and the index of a message ``LabelIndex``."""
    fields = protobuf.decode(data)
    single = dict(fields)
    blocks: dict[Xyz, Counts] = {}
    for entry in protobuf.messages(fields, 1):
        pair = dict(entry)
        counts = protobuf.decode(protobuf.content(pair.get(2, b"")))
        numbers = (dict(count) for count in protobuf.messages(counts, 1))
        own = {protobuf.number(count.get(1, 0)): protobuf.number(count.get(2, 0)) for count in numbers}
        blocks[_place(protobuf.number(pair.get(1, 0)))] = own
    time, user, app = (protobuf.text(single.get(number, b"")) for number in (4, 5, 6))
    return protobuf.number(single.get(2, 0)), LabelIndex(blocks, protobuf.number(single.get(3, 0)), time, user, app)


def _block_key(place: Xyz) -> int:
    key = 0
    for n in place[::-1]:
        key = key << _BITS | (-n | _SIGN if n < 0 else n)
    return key


def _place(key: int) -> Xyz:
    x, y, z = (key >> shift & (1 << _BITS) - 1 for shift in (0, _BITS, 2 * _BITS))
    return _signed(x), _signed(y), _signed(z)


def _signed(n: int) -> int:
    return -(n ^ _SIGN) if n & _SIGN else n
