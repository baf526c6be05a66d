"""A volume as the files of a zarr hierarchy: OME-Zarr with a group, or one plain array where OME has no such axes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.volume_files import ChunkFile, ChunkNames, scale_by_shape
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.tensorstore import encode_array
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.create import array_files, complete, group_files
from voxome.storage.json_store import to_json

_INDEX = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)


class ZarrFiles:
    """A volume as the files of a zarr hierarchy, whose arrays have the numbers of the levels as names.

    Parameters
    ----------
    levels : sequence of VolumeSpec
        Its levels, finest first. The `encoding` of the first has ``format`` (zarr2 or zarr3) and ``codec``.
    name : str
        What it is called in metadata and messages.

    Raises
    ------
    UnsupportedFormat
        If it has several levels, but not axes that OME-Zarr has, or a data type that zarr has not.
    """

    def __init__(self, levels: Sequence[VolumeSpec], name: str) -> None:
        self._levels, self._name = levels, name
        _, self._options = complete(levels[0], name)
        if not self._options["ome"] and len(levels) > 1:
            axes = "/".join(levels[0].axes)
            raise UnsupportedFormat(f"{name}: OME-Zarr has pyramids with the axes t, c, z, y, x, not {axes}")

    def metadata(self) -> Mapping[str, bytes]:
        levels = [self._level(n) for n in range(len(self._levels))]
        arrays = [array_files(spec, self._options, self._name) for spec in levels]
        if not self._options["ome"]:
            return arrays[0]
        entries = [
            ome.dataset(str(n), spec, scale_by_shape(spec, self._levels[0])) for n, spec in enumerate(self._levels)
        ]
        group = group_files(self._levels[0], entries, self._options, self._name)
        files = {**group, **{f"{n}/{key}": text for n, one in enumerate(arrays) for key, text in one.items()}}
        return _consolidated(files, self._name)

    def find(self, path: str) -> ChunkFile | None:
        parts = path.split("/")
        level = 0
        if self._options["ome"]:
            if _INDEX.fullmatch(parts[0]) is None or int(parts[0]) >= len(self._levels):
                return None
            level = int(parts.pop(0))
        if self._options["format"] == "zarr3" and (not parts or parts.pop(0) != "c"):
            return None
        spec = self._level(level)
        if len(parts) != spec.domain.ndim or not all(map(_INDEX.fullmatch, parts)):
            return None
        chunk, (first, end) = spec.read_chunk or spec.domain.shape, (spec.domain.start, spec.domain.stop)
        start = [low + int(index) * n for low, index, n in zip(first, parts, chunk, strict=True)]
        if any(a >= b for a, b in zip(start, end, strict=True)):
            return None
        return ChunkFile(
            level, Box(tuple(start), tuple(min(a + n, b) for a, n, b in zip(start, chunk, end, strict=True)))
        )

    def encode(self, chunk: ChunkFile, voxels: NDArray[Any]) -> bytes | memoryview:
        spec = self._level(chunk.level)
        little = spec.dtype.newbyteorder("<")
        shape = spec.read_chunk or spec.domain.shape
        whole = np.ascontiguousarray(voxels, little)
        if whole.shape != shape:  # the format stores whole chunks at the border
            whole = np.full(shape, spec.fill, little)
            whole[tuple(slice(n) for n in voxels.shape)] = voxels
        if self._options["codec"] == "raw":
            return whole.reshape(-1).view(np.uint8).data
        one = spec.replace(domain=Box.of_shape(shape))
        (file,) = (
            json.loads(text) for key, text in array_files(one, self._options, self._name).items() if key != ".zattrs"
        )
        return encode_array({"driver": self._options["format"], "metadata": file}, whole, self._name)

    def decode(self, chunk: ChunkFile, content: bytes | memoryview) -> NDArray[Any]:
        spec = self._level(chunk.level)
        if self._options["codec"] != "raw":
            raise UnsupportedFormat(f"{self._name}: only uncompressed chunks can be written")
        expected = self.most_bytes(chunk)
        if memoryview(content).nbytes != expected:
            shape = "x".join(map(str, spec.read_chunk or spec.domain.shape))
            raise InvalidInput(
                f"{memoryview(content).nbytes} bytes are not a chunk of {self._name}, which is {shape} uncompressed "
                f"{spec.dtype}, {expected} bytes"
            )
        whole = np.frombuffer(content, spec.dtype.newbyteorder("<")).reshape(spec.read_chunk or spec.domain.shape)
        if spec.dtype == bool and (whole.view(np.uint8) > 1).any():
            raise InvalidInput(f"a chunk of {self._name} has bytes that are no booleans; write 0 and 1")
        return np.ascontiguousarray(whole[tuple(slice(n) for n in chunk.box.shape)], spec.dtype)

    def most_bytes(self, chunk: ChunkFile) -> int:
        spec = self._level(chunk.level)
        return math.prod(spec.read_chunk or spec.domain.shape) * spec.dtype.itemsize

    def chunk_names(self) -> Sequence[ChunkNames]:
        return [
            ChunkNames(f"{level}/" * self._options["ome"] + "c/" * (self._options["format"] == "zarr3"), _parts(spec))
            for level, spec in enumerate(map(self._level, range(len(self._levels))))
        ]

    def size(self, chunk: ChunkFile) -> int | None:
        return self.most_bytes(chunk) if self._options["codec"] == "raw" else None

    def _level(self, number: int) -> VolumeSpec:
        """Return the spec of a level as the metadata describe it."""
        encoded = self._levels[number].replace(encoding=self._levels[0].encoding, attributes={})
        return complete(encoded, self._name)[0]


def _parts(spec: VolumeSpec) -> tuple[tuple[str, ...], ...]:
    """Return the parts of the names of chunks along each axis."""
    axes = zip(spec.domain.shape, spec.read_chunk or spec.domain.shape, strict=True)
    *leading, last = ([str(index) for index in range(-(-size // n))] for size, n in axes)
    return (*(tuple(sorted(f"{one}/" for one in axis)) for axis in leading), tuple(sorted(last)))


def _consolidated(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """Return the metadata files of a group with a copy of all others, so that clients need not fetch each."""
    documents = {key: json.loads(text) for key, text in files.items()}
    if "zarr.json" not in documents:
        copy = {"zarr_consolidated_format": 1, "metadata": documents}
        return {**files, ".zmetadata": to_json(copy, name)}
    nodes = {key.removesuffix("/zarr.json"): one for key, one in documents.items() if key != "zarr.json"}
    inline = {"kind": "inline", "must_understand": False, "metadata": nodes}
    return {**files, "zarr.json": to_json({**documents["zarr.json"], "consolidated_metadata": inline}, name)}
