"""Label index: the number of voxels of each supervoxel of a body in each block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from standins.dvid.calls import Xyz
from standins.dvid.codecs import protobuf

Counts = Mapping[int, int]
"""Number of voxels by supervoxel."""
_BITS = 21
_SIGN = 1 << _BITS - 1


@dataclass(frozen=True)
class LabelIndex:
    """Immutable index of one body."""

    blocks: Mapping[Xyz, Counts] = field(default_factory=dict)
    mutation: int = 0
    time: str = ""
    user: str = ""
    app: str = ""

    @property
    def supervoxels(self) -> Counter[int]:
        """Number of voxels by supervoxel, over all blocks."""
        total: Counter[int] = Counter()
        for counts in self.blocks.values():
            total.update(counts)
        return total

    @property
    def size(self) -> int:
        """Total number of voxels."""
        return self.supervoxels.total()

    def select(self, supervoxels: Collection[int]) -> LabelIndex:
        """Return the index of some of the supervoxels."""
        return self._from_entries((coord, sv, n) for coord, sv, n in self if sv in supervoxels)

    def exclude(self, supervoxels: Collection[int]) -> LabelIndex:
        """Return the index without some of the supervoxels."""
        return self._from_entries((coord, sv, n) for coord, sv, n in self if sv not in supervoxels)

    def _from_entries(self, entries: Iterator[tuple[Xyz, int, int]]) -> LabelIndex:
        blocks: dict[Xyz, dict[int, int]] = {}
        for coord, supervoxel, count in entries:
            blocks.setdefault(coord, {})[supervoxel] = count
        return replace(self, blocks=blocks)

    def add(self, changes: Mapping[Xyz, Counts]) -> LabelIndex:
        """Return the index with numbers of voxels added by block (or subtracted); empty entries are dropped."""
        blocks = dict(self.blocks)
        for coord, change in changes.items():
            sums = Counter(blocks.get(coord, {}))
            sums.update(change)
            positive = {supervoxel: n for supervoxel, n in sums.items() if n > 0}
            if positive:
                blocks[coord] = positive
            else:
                blocks.pop(coord, None)
        return replace(self, blocks=blocks)

    def __iter__(self) -> Iterator[tuple[Xyz, int, int]]:
        for coord, counts in self.blocks.items():
            for supervoxel, count in counts.items():
                yield coord, supervoxel, count


def encode(label: int, index: LabelIndex) -> bytes:
    """Encode a message ``LabelIndex``."""
    fields: list[protobuf.Field] = []
    for coord, counts in index.blocks.items():
        entries = protobuf.encode((1, protobuf.encode([(1, sv), (2, n)])) for sv, n in counts.items())
        fields.append((1, protobuf.encode([(1, _block_key(coord)), (2, entries)])))
    texts: list[protobuf.Field] = [
        (number, text.encode()) for number, text in ((4, index.time), (5, index.user), (6, index.app)) if text
    ]
    return protobuf.encode([*fields, (2, label), (3, index.mutation), *texts])


def decode(data: bytes) -> tuple[int, LabelIndex]:
    """Decode a message ``LabelIndex`` into label and index."""
    fields = protobuf.decode(data)
    single = dict(fields)
    blocks: dict[Xyz, Counts] = {}
    for entry in protobuf.messages(fields, 1):
        pair = dict(entry)
        counts = protobuf.decode(protobuf.content(pair.get(2, b"")))
        numbers = (dict(count) for count in protobuf.messages(counts, 1))
        counts_by_supervoxel = {protobuf.number(count.get(1, 0)): protobuf.number(count.get(2, 0)) for count in numbers}
        blocks[_decode_block_key(protobuf.number(pair.get(1, 0)))] = counts_by_supervoxel
    time, user, app = (protobuf.text(single.get(number, b"")) for number in (4, 5, 6))
    return protobuf.number(single.get(2, 0)), LabelIndex(blocks, protobuf.number(single.get(3, 0)), time, user, app)


def _block_key(coord: Xyz) -> int:
    key = 0
    for n in coord[::-1]:
        key = key << _BITS | (-n | _SIGN if n < 0 else n)
    return key


def _decode_block_key(key: int) -> Xyz:
    x, y, z = (key >> shift & (1 << _BITS) - 1 for shift in (0, _BITS, 2 * _BITS))
    return _signed(x), _signed(y), _signed(z)


def _signed(n: int) -> int:
    return -(n ^ _SIGN) if n & _SIGN else n
