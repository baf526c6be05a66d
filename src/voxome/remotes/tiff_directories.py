"""The directories of a TIFF file: whether their chain is complete, and all that they refer to lies within the file.

A truncated file often opens without an error, with fewer pages. Damage is therefore found in the structure of the file,
before its voxels are decoded; private tags are not checked, as they do not change voxels.

References
----------
TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, and BigTIFF,
https://www.awaresystems.be/imaging/tiff/bigtiff.html.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from voxome.errors import CorruptData

DESCRIPTION = 270
_SIDES = (256, 257)
"""Tags with the width and the height of an image."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each type of the specifications."""
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_EXTENTS = ((273, 279), (324, 325))
"""Tags with the offsets and byte counts of strips, and of tiles."""
_CLASSIC_BYTES = 2**32
"""Beyond this size some programs store classic offsets modulo 2^32; only a walk by 64 bits can follow them."""

_ESSENTIAL = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 292, 296, 305, 317, 320),
        *(322, 323, 324, 325, 330, 338, 339, 347, 530, 532, 33628, 33629, 33630, 33631, 34412),
    )
)
"""Tags that determine voxels, axes or sizes, MetaMorph's and Zeiss's among them."""


@dataclass(frozen=True)
class _Layout:
    """Sizes and positions in classic TIFF and in BigTIFF."""

    order: str
    big: bool

    @property
    def first(self) -> int:
        return 8 if self.big else 4

    def unpack(self, data: mmap.mmap, at: int, code: str) -> int:
        return int(struct.unpack_from(self.order + code, data, at)[0])

    def pointer(self, data: mmap.mmap, at: int) -> int:
        return self.unpack(data, at, "Q" if self.big else "I")


@dataclass(frozen=True)
class _Tag:
    kind: int
    count: int
    at: int
    """Position of the values."""

    @property
    def stop(self) -> int:
        return self.at + self.count * _SIZES.get(self.kind, 0)


def check_directories(path: Path) -> int:
    """Return the number of directories of a TIFF file, after a check of all of them.

    Raises
    ------
    CorruptData
        If the chain of directories, a tag that matters, a strip or a tile leaves the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            layout = _layout(data)
            wraps = not layout.big and size > _CLASSIC_BYTES
            number = 0
            for tags in _chain(data, layout):
                number += 1
                _check_tags(tags, size)
                if wraps:
                    break
                for offsets, counts in _EXTENTS:
                    _check_extents(data, layout, tags, offsets, counts)
        except (struct.error, _Damage) as error:
            raise CorruptData(f"{path} is truncated or damaged: {_reason(error)} ({size} bytes)") from error
    return number


def first_description(path: Path) -> bytes:
    """Return the image description of the first directory of a TIFF file; empty if it has none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tags = next(_chain(data, _layout(data)))
        tag = tags.get(DESCRIPTION)
        return b"" if tag is None else data[tag.at : tag.stop].rstrip(b"\0")


def page_voxels(paths: Iterable[Path]) -> Iterator[int]:
    """Yield the number of pixels that each directory of TIFF files claims, at least 1.

    Raises
    ------
    CorruptData
        If the chain of directories leaves its file, or a file is empty.
    """
    for path in paths:
        if not path.stat().st_size:
            raise CorruptData(f"{path} is truncated: it ends after 0 bytes; restore it")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                layout = _layout(data)
                for tags in _chain(data, layout):
                    sides = [_integers(data, layout, tags[side]) if side in tags else () for side in _SIDES]
                    yield max(1, math.prod(side[0] if side else 1 for side in sides))
            except (struct.error, _Damage) as error:
                raise CorruptData(f"{path} is truncated or damaged: {_reason(error)}") from error


class _Damage(Exception):
    """What is wrong with a file."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, _Damage) else "a directory or one of its values lies beyond the end"


def _layout(data: mmap.mmap) -> _Layout:
    order = "<" if data[:2] == b"II" else ">"
    return _Layout(order, struct.unpack_from(order + "H", data, 2)[0] == 43)


def _chain(data: mmap.mmap, layout: _Layout) -> Iterator[Mapping[int, _Tag]]:
    """Yield the tags of each directory."""
    seen: set[int] = set()
    at = layout.pointer(data, layout.first)
    if not at:
        raise _Damage("it has no directory")
    while at:
        if at in seen:
            raise _Damage(f"the directory at byte {at} follows itself")
        seen.add(at)
        count = layout.unpack(data, at, "Q" if layout.big else "H")
        at += 8 if layout.big else 2
        entry = 20 if layout.big else 12
        if not count or at + count * entry > len(data):
            raise _Damage(f"the directory at byte {at} has {count} tags, which lie beyond the end or are none")
        yield dict(_tag(data, layout, at + n * entry) for n in range(count))
        at = layout.pointer(data, at + count * entry)


def _tag(data: mmap.mmap, layout: _Layout, at: int) -> tuple[int, _Tag]:
    code, kind = struct.unpack_from(layout.order + "HH", data, at)
    count = layout.pointer(data, at + 4)
    value = at + (12 if layout.big else 8)
    inside = count * _SIZES.get(kind, 0) <= (8 if layout.big else 4)
    return code, _Tag(kind, count, value if inside else layout.pointer(data, value))


def _check_tags(tags: Mapping[int, _Tag], size: int) -> None:
    for code in _ESSENTIAL & set(tags):
        tag = tags[code]
        if tag.kind not in _SIZES:
            raise _Damage(f"tag {code} has the unknown type {tag.kind}")
        if tag.stop > size:
            raise _Damage(f"tag {code} ends at byte {tag.stop}")


def _check_extents(data: mmap.mmap, layout: _Layout, tags: Mapping[int, _Tag], offsets: int, counts: int) -> None:
    """Raise if a strip or a tile ends beyond the file; those without bytes are left out by their writers."""
    if offsets not in tags:
        return
    starts = _integers(data, layout, tags[offsets])
    lengths = _integers(data, layout, tags[counts]) if counts in tags else (1,) * len(starts)
    for start, length in zip(starts, lengths, strict=False):
        if length and start + length > len(data):
            raise _Damage(f"a strip or tile ends at byte {start + length}")


def _integers(data: mmap.mmap, layout: _Layout, tag: _Tag) -> tuple[int, ...]:
    if tag.kind not in _INTEGERS:
        raise _Damage(f"offsets of strips or tiles are of the type {tag.kind}, which is not an integer")
    return struct.unpack_from(f"{layout.order}{tag.count}{_INTEGERS[tag.kind]}", data, tag.at)
