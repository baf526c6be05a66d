"""Chunk files that cloud-volume compressed and renamed: ``x.gz`` where the format says ``x``.

tensorstore takes them for missing chunks, which are 0. So a chunk that reads as 0 everywhere is looked up under those
names, and decoded by tensorstore from memory once its bytes are unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.errors import CorruptData, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.precomputed.handles import oriented
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors, result_of

_UNPACK: dict[str, Callable[[bytes], Any]] = {
    ".gz": gzip.decompress,
    ".br": imagecodecs.brotli_decode,
    ".zstd": imagecodecs.zstd_decode,
    ".xz": lzma.decompress,
    ".bz2": bz2.decompress,
}
_FAR = (".gz", ".br")


def refuse_packed_shards(place: StoragePath, key: str, name: str) -> None:
    """Refuse a local scale of which cloud-volume compressed whole shard files: no reader gets at the chunks in them.

    Raises
    ------
    UnsupportedFormat
        Naming one of the files.
    """
    files = Path(place.path, key).glob("*.shard.*") if place.is_local else ()
    packed = next((file.name for file in files if file.suffix in _UNPACK), None)
    if packed:
        raise UnsupportedFormat(
            f"{name}: {key}/{packed} is a shard compressed as a whole; unpack it to read the volume"
        )


class Siblings:
    """The compressed chunk files of one unsharded scale.

    Parameters
    ----------
    place : Place
        Folder of the volume.
    info : mapping
        Its info file.
    number : int
        Which scale.
    """

    def __init__(self, place: StoragePath, info: Mapping[str, Any], number: int) -> None:
        scale = info["scales"][number]
        self._place, self._info, self._number = place, info, number
        self._key = scale["key"]
        self._chunk = tuple(scale["chunk_sizes"][0][::-1])
        self._domain = Box.of_shape(scale["size"][::-1], scale.get("voxel_offset", (0, 0, 0))[::-1])

    def patch(self, box: Box, data: NDArray[Any]) -> None:
        """Put the voxels of compressed chunk files into `data`, what was read for `box` (both z, y, x last)."""
        found = self.find([chunk for chunk in self.chunks(box, data) if self._may_be_missing(chunk & box, box, data)])
        if not found:
            return
        staged = self._staged(found)
        for chunk, name in found.items():
            part = chunk & box
            index: Any = (..., *(slice(a, b) for a, b in zip(part.start, part.stop, strict=True)))
            with map_errors(f"{self._place}/{name}"):
                _part(data, box, part)[...] = staged[index].read(order="C").result()

    def refuse(self, box: Box) -> None:
        """Refuse to write over compressed chunk files; away from this machine only where part of a chunk is kept.

        Raises
        ------
        UnsupportedFormat
            If a chunk that `box` touches is one.
        """
        found = self.find([one for one in self.chunks(box) if self._place.is_local or one not in box])
        if found:
            files = ", ".join(sorted(found.values())[:3])
            raise UnsupportedFormat(
                f"{self._place}: chunk files that cloud-volume compressed ({files}) are read, not written: copy it"
            )

    def chunks(self, box: Box, data: NDArray[Any] | None = None) -> Iterator[Box]:
        """The chunks (z, y, x) that `box` touches; given its `data`, those of which the middle voxel is 0.

        That one voxel settles most chunks, at no cost to speak of.
        """
        lines = zip(box.start, box.stop, self._domain.start, self._domain.stop, self._chunk, strict=True)
        axes = [_spans(*line) for line in lines]
        wanted = np.ones([len(spans) for spans in axes], bool)
        if data is not None:
            middles: Any = (..., *np.ix_(*([at for _, _, at in spans] for spans in axes)))
            wanted = ~data[middles].any(axis=tuple(range(data.ndim - 3)))
        for cell in np.argwhere(wanted):
            ends = [spans[i] for spans, i in zip(axes, cell, strict=True)]
            yield Box(tuple(a for a, _, _ in ends), tuple(b for _, b, _ in ends))

    def find(self, chunks: Sequence[Box]) -> dict[Box, str]:
        """Which of `chunks` are stored only as a compressed file, and its name."""
        names = [(chunk, self._file(chunk)) for chunk in chunks]
        if not self._place.is_local:
            return self._find_far(names)
        found = {}
        for chunk, name in names:
            plain = f"{self._place.path}/{name}"
            suffix = None if _exists(plain) else next((s for s in _UNPACK if _exists(plain + s)), None)
            if suffix:
                found[chunk] = name + suffix
        return found

    def _find_far(self, names: Sequence[tuple[Box, str]]) -> dict[Box, str]:
        asked = [(chunk, f"{name}{suffix}") for chunk, name in names for suffix in _FAR]
        answers = self._place.read_all([file for _, file in asked])
        there = {chunk: file for (chunk, file), found in zip(asked, answers, strict=True) if found is not None}
        plain = self._place.read_all([self._file(chunk) for chunk in there])
        return {chunk: file for (chunk, file), found in zip(there.items(), plain, strict=True) if found is None}

    def _may_be_missing(self, part: Box, box: Box, data: NDArray[Any]) -> bool:
        """Whether a chunk, of which the middle is 0, is worth a look: on a disk always, elsewhere if all of it is 0."""
        return self._place.is_local or not _part(data, box, part).any()

    def _file(self, chunk: Box) -> str:
        spans = "_".join(f"{a}-{b}" for a, b in zip(chunk.start[::-1], chunk.stop[::-1], strict=True))
        return f"{self._key}/{spans}"

    def _staged(self, found: Mapping[Box, str]) -> ts.TensorStore:
        """A store in memory of just these chunks, unpacked, its axes in our order."""
        own = ts.Context({"cache_pool": {"total_bytes_limit": 0}})
        with map_errors(str(self._place)):
            files = result_of(ts.KvStore.open({"driver": "memory"}, context=own))
            files["info"] = json.dumps(self._info).encode()
            for chunk, name in found.items():
                files[self._file(chunk)] = self._unpacked(name)
            spec = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "memory"}}
            store = ts.open({**spec, "scale_index": self._number}, context=own).result()
        return oriented(store, self._info)

    def _unpacked(self, name: str) -> bytes:
        data = self._place.read(name) or b""
        suffix = Path(name).suffix
        if suffix == ".gz" and not self._place.is_local and data[:2] != b"\x1f\x8b":
            return data
        try:
            return bytes(_UNPACK[suffix](data))
        except (OSError, EOFError, RuntimeError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise CorruptData(f"{self._place}/{name} cannot be unpacked: {error}") from error


def _exists(path: str) -> bool:
    return os.access(path, os.F_OK)


def _spans(start: int, stop: int, first: int, last: int, chunk: int) -> list[tuple[int, int, int]]:
    """The chunks from `start` to `stop` along one axis: where each begins and ends, and the middle of what is asked."""
    found = []
    for at in range(start - (start - first) % chunk, stop, chunk):
        end = min(at + chunk, last)
        found.append((at, end, (max(at, start) + min(end, stop)) // 2 - start))
    return found


def _part(data: NDArray[Any], box: Box, part: Box) -> NDArray[Any]:
    index: Any = (..., *part.within(box))
    cut: NDArray[Any] = data[index]
    return cut
