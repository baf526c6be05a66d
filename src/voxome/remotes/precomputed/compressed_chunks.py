"""Chunk files that cloud-volume compressed and renamed: ``x.gz`` where the format has ``x``.

For tensorstore such a chunk is missing, and reads as 0. So a chunk that reads as 0 everywhere is looked up under those
names, decompressed, and decoded by tensorstore from memory.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.errors import UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.decompression import SUFFIXES
from voxome.remotes.precomputed.folders import NETWORK_SUFFIXES, decompress
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import map_errors, result_of


def require_plain_shards(folder: StoragePath, key: str, name: str) -> None:
    """Require that no shard file of a local scale is compressed as one file: no reader finds the chunks in it.

    Raises
    ------
    UnsupportedFormat
        If one is; the message names it.
    """
    files = Path(folder.path, key).glob("*.shard.*") if folder.is_local else ()
    compressed = next((file.name for file in files if file.suffix in SUFFIXES), None)
    if compressed:
        raise UnsupportedFormat(
            f"{name}: {key}/{compressed} is a shard that was compressed as one file; decompress it to read the volume"
        )


_ENCODED = 2
"""Times the bytes of its voxels that a chunk has at most when it is encoded."""
_HEADERS = 1 << 16
"""Most bytes of the headers and tables of an encoded chunk."""
_PADDING = 1 << 26
"""Most bytes by which the blocks of compressed_segmentation may go beyond a chunk."""

Orient = Callable[[ts.TensorStore], ts.TensorStore]


class CompressedChunks:
    """Compressed chunk files of one unsharded scale.

    Parameters
    ----------
    folder : StoragePath
        Folder of the volume.
    info : mapping
        Content of its info file.
    number : int
        Index of the scale in ``scales``.
    orient : function
        Brings a tensorstore to our order of axes.
    """

    def __init__(self, folder: StoragePath, info: Mapping[str, Any], number: int, orient: Orient) -> None:
        scale = info["scales"][number]
        self._folder, self._info, self._number, self._orient = folder, info, number, orient
        self._key = scale["key"]
        self._bytes = np.dtype(info["data_type"]).itemsize * int(info["num_channels"])
        self._raw = scale["encoding"] == "raw"
        self._block = tuple(scale.get("compressed_segmentation_block_size") or (1, 1, 1))[::-1]
        self._chunk = tuple(scale["chunk_sizes"][0][::-1])
        self._domain = Box.of_shape(scale["size"][::-1], (scale.get("voxel_offset") or [0, 0, 0])[::-1])

    def patch(self, box: Box, data: NDArray[Any]) -> None:
        """Insert the voxels of compressed chunk files into `data`, read for `box` (axes z, y, x last)."""
        found = self.find([chunk for chunk in self.chunks(box, data) if self._may_be_missing(chunk & box, box, data)])
        if not found:
            return
        staged = self._staged(found)
        for chunk, name in found.items():
            part = chunk & box
            index: Any = (..., *(slice(a, b) for a, b in zip(part.start, part.stop, strict=True)))
            with map_errors(f"{self._folder}/{name}"):
                _part(data, box, part)[...] = staged[index].read(order="C").result()

    def require_none(self, box: Box) -> None:
        """Require that no chunk in `box` is a compressed file; behind a network, only for chunks partly in `box`.

        Raises
        ------
        UnsupportedFormat
            If one is.
        """
        found = self.find([one for one in self.chunks(box) if self._folder.is_local or one not in box])
        if found:
            files = ", ".join(sorted(found.values())[:3])
            raise UnsupportedFormat(
                f"{self._folder}: cannot write chunks that cloud-volume compressed ({files}); copy the volume first"
            )

    def chunks(self, box: Box, data: NDArray[Any] | None = None) -> Iterator[Box]:
        """Yield the chunks (z, y, x) that `box` touches; given its `data`, those whose middle voxel is 0.

        That single voxel decides for most chunks, at negligible cost.
        """
        lines = zip(box.start, box.stop, self._domain.start, self._domain.stop, self._chunk, strict=True)
        axes = [_spans(*line) for line in lines]
        selected = np.ones([len(spans) for spans in axes], bool)
        if data is not None:
            middles: Any = (..., *np.ix_(*([at for _, _, at in spans] for spans in axes)))
            selected = ~data[middles].any(axis=tuple(range(data.ndim - 3)))
        for cell in np.argwhere(selected):
            ends = [spans[i] for spans, i in zip(axes, cell, strict=True)]
            yield Box(tuple(a for a, _, _ in ends), tuple(b for _, b, _ in ends))

    def find(self, chunks: Sequence[Box]) -> dict[Box, str]:
        """Return the names of the compressed files of those `chunks` that are stored only so."""
        names = [(chunk, self._file(chunk)) for chunk in chunks]
        if not self._folder.is_local:
            return self._find_behind_network(names)
        found = {}
        for chunk, name in names:
            plain = f"{self._folder.path}/{name}"
            suffix = None if _exists(plain) else next((s for s in SUFFIXES if _exists(plain + s)), None)
            if suffix:
                found[chunk] = name + suffix
        return found

    def _find_behind_network(self, names: Sequence[tuple[Box, str]]) -> dict[Box, str]:
        candidates = [(chunk, f"{name}{suffix}") for chunk, name in names for suffix in NETWORK_SUFFIXES]
        contents = self._folder.read_all([file for _, file in candidates])
        stored = {chunk: file for (chunk, file), data in zip(candidates, contents, strict=True) if data is not None}
        plain = self._folder.read_all([self._file(chunk) for chunk in stored])
        return {chunk: file for (chunk, file), data in zip(stored.items(), plain, strict=True) if data is None}

    def _may_be_missing(self, part: Box, box: Box, data: NDArray[Any]) -> bool:
        """Return whether to look up a chunk whose middle is 0: always on a disk, elsewhere if all of it is 0."""
        return self._folder.is_local or not _part(data, box, part).any()

    def _file(self, chunk: Box) -> str:
        spans = "_".join(f"{a}-{b}" for a, b in zip(chunk.start[::-1], chunk.stop[::-1], strict=True))
        return f"{self._key}/{spans}"

    def _most_bytes(self, chunk: Box) -> int:
        """Return how many bytes the file of a chunk can have before it is compressed."""
        plain = chunk.size * self._bytes
        if self._raw:
            return plain
        padded = self._bytes * math.prod(-(-n // b) * b for n, b in zip(chunk.shape, self._block, strict=True))
        return _ENCODED * min(padded, plain + _PADDING) + _HEADERS

    def _staged(self, found: Mapping[Box, str]) -> ts.TensorStore:
        """Return a store in memory of just these chunks, decompressed, with axes in our order."""
        own = ts.Context({"cache_pool": {"total_bytes_limit": 0}})
        with map_errors(str(self._folder)):
            files = result_of(ts.KvStore.open({"driver": "memory"}, context=own))
            files["info"] = json.dumps({**self._info, "scales": [self._info["scales"][self._number]]}).encode()
            for chunk, name in found.items():
                data = self._folder.read(name) or b""
                files[self._file(chunk)] = decompress(self._folder, name, data, self._most_bytes(chunk))
            spec = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "memory"}}
            store = ts.open(spec, context=own).result()
        return self._orient(store)


def _exists(path: str) -> bool:
    return os.access(path, os.F_OK)


def _spans(start: int, stop: int, first: int, last: int, chunk: int) -> list[tuple[int, int, int]]:
    """Return the chunks from `start` to `stop` along one axis: begin, end, and the middle of the part in between."""
    found = []
    for at in range(start - (start - first) % chunk, stop, chunk):
        end = min(at + chunk, last)
        found.append((at, end, (max(at, start) + min(end, stop)) // 2 - start))
    return found


def _part(data: NDArray[Any], box: Box, part: Box) -> NDArray[Any]:
    index: Any = (..., *part.within(box))
    cut: NDArray[Any] = data[index]
    return cut
