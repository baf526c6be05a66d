"""A volume as the files of a precomputed layer: ``info``, and a file for each chunk of each scale."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.volume_files import ChunkFile, ChunkNames, scale_by_shape
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.remotes.precomputed.create import codec_of, new_info, new_scale
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.info import DATA_TYPES, Json
from voxome.remotes.tensorstore import decode_array, encode_array
from voxome.storage.json_store import to_json

_AXES = (("z", "y", "x"), ("c", "z", "y", "x"))
_WIDER = {"bool": "uint8", "float16": "float32"}
"""Data types that the format does not have → the one that has exactly the same numbers."""
_AXIS = r"(-?\d{1,19})-[-\d]+"
_PATH = re.compile(rf"(\d{{1,4}})/{_AXIS}_{_AXIS}_{_AXIS}", re.ASCII)


class PrecomputedFiles:
    """A volume as the files of a precomputed layer; its scales have the numbers of the levels as keys.

    Parameters
    ----------
    levels : sequence of VolumeSpec
        Its levels, finest first.
    name : str
        What it is called in messages.

    Raises
    ------
    UnsupportedFormat
        If it has other axes than z/y/x or c/z/y/x, or a data type that the format has not.
    """

    def __init__(self, levels: Sequence[VolumeSpec], name: str) -> None:
        finest = levels[0]
        if finest.axes not in _AXES:
            raise UnsupportedFormat(
                f"{name}: precomputed has the axes z/y/x or c/z/y/x, not {'/'.join(finest.axes)}; serve one position "
                "along the others, as by ?t=0 in the URI, or read it as zarr"
            )
        dtype = _WIDER.get(finest.dtype.name, finest.dtype.name)
        if dtype not in DATA_TYPES:
            raise UnsupportedFormat(
                f"{name}: precomputed has no {dtype}, only {', '.join(DATA_TYPES)}; read it as zarr"
            )
        self._levels, self._name, self._dtype = levels, name, np.dtype(dtype)

    def metadata(self) -> Mapping[str, bytes]:
        described = [self._describe(spec) for spec in self._levels]
        scales = [{**new_scale(spec, self._name), "key": str(n)} for n, spec in enumerate(described)]
        info = {**new_info(described[0], self._name), "scales": scales}
        return {INFO: to_json(info, f"{self._name}/{INFO}")}

    def find(self, path: str) -> ChunkFile | None:
        match = _PATH.fullmatch(path)
        if match is None or int(match[1]) >= len(self._levels):
            return None
        level, (x, y, z) = int(match[1]), map(int, match.groups()[1:])
        box = _chunk_at(self._levels[level], (z, y, x))
        if box is None or _path_of(level, box) != path:
            return None
        return ChunkFile(level, self._levels[level].lift(box))

    def encode(self, chunk: ChunkFile, voxels: NDArray[Any]) -> bytes | memoryview:
        exact = np.ascontiguousarray(voxels, self._dtype.newbyteorder("<"))
        if codec_of(self._levels[0])["encoding"] == "raw":
            return exact.reshape(-1).view(np.uint8).data  # C order of (c, z, y, x): x changes fastest, channels slowest
        x_first = exact[None].T if exact.ndim == 3 else exact.T
        return encode_array(self._one_chunk(x_first.shape), x_first, self._name)

    def decode(self, chunk: ChunkFile, content: bytes | memoryview) -> NDArray[Any]:
        shape, size = chunk.box.shape, memoryview(content).nbytes
        if codec_of(self._levels[0])["encoding"] == "raw":
            if size != chunk.box.size * self._dtype.itemsize:
                raise InvalidInput(
                    f"{size} bytes are not this chunk of {self._name}, which is {'x'.join(map(str, shape[::-1]))} raw "
                    f"{self._dtype}, {chunk.box.size * self._dtype.itemsize} bytes"
                )
            voxels: NDArray[Any] = np.frombuffer(content, self._dtype.newbyteorder("<")).reshape(shape)
        else:
            x_first = (shape if len(shape) == 4 else (1, *shape))[::-1]
            encoding = codec_of(self._levels[0])["encoding"]
            try:
                if encoding == "compressed_segmentation":
                    _check_labels(bytes(content[:4]), x_first[-1])
                found = decode_array(self._one_chunk(x_first), bytes(content), x_first, self._name)
            except VoxomeError as error:
                raise InvalidInput(f"{size} bytes are not a chunk of {self._name} with encoding {encoding}") from error
            voxels = found.T.reshape(shape)
        return self._narrow(voxels)

    def most_bytes(self, chunk: ChunkFile) -> int:
        # labels without structure need a table entry and an index for each voxel
        factor = 1 if codec_of(self._levels[0])["encoding"] == "raw" else 2
        return factor * chunk.box.size * self._dtype.itemsize + (factor - 1) * 2**16

    def _narrow(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return voxels in the data type of the volume, which precomputed may not have."""
        with np.errstate(over="ignore"):  # infinite then, and so not equal
            exact = np.ascontiguousarray(voxels, self._levels[0].dtype)
        if exact.dtype != self._dtype and not np.array_equal(
            exact.astype(self._dtype), voxels, equal_nan=exact.dtype.kind == "f"
        ):
            raise InvalidInput(f"the chunk has values that {self._name}, which is {exact.dtype}, cannot store")
        return exact

    def _one_chunk(self, x_first: Sequence[int]) -> Json:
        """Return the tensorstore spec of a volume of one chunk of the shape (x, y, z, c)."""
        *shape, channels = x_first
        kind = "segmentation" if self._levels[0].kind == "labels" else "image"
        return {
            "driver": "neuroglancer_precomputed",
            "multiscale_metadata": {"type": kind, "data_type": self._dtype.name, "num_channels": channels},
            "scale_metadata": {
                "size": shape, "chunk_size": shape, "resolution": [1, 1, 1], "key": "0", **codec_of(self._levels[0]),
            },
        }  # fmt: skip

    def chunk_names(self) -> Sequence[ChunkNames]:
        return [ChunkNames(f"{level}/", _parts(spec)) for level, spec in enumerate(self._levels)]

    def size(self, chunk: ChunkFile) -> int | None:
        raw = codec_of(self._levels[0])["encoding"] == "raw"
        return chunk.box.size * self._dtype.itemsize if raw else None

    def _describe(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the spec of a level as the metadata describe it."""
        size = spec.voxel_size_nm
        if size is None and spec is not self._levels[0]:
            z, y, x = scale_by_shape(spec, self._levels[0])
            size = (float(z), float(y), float(x))
        lead = (spec.domain.shape[0],) if spec.domain.ndim == 4 else ()
        domain = Box((0,) * len(lead) + spec.frame.start, lead + spec.frame.stop)
        encoding, chunk = self._levels[0].encoding, spec.read_chunk
        return spec.replace(
            domain=domain, dtype=self._dtype, voxel_size_nm=size, fill=0, encoding=encoding,
            read_chunk=chunk, write_chunk=chunk,
        )  # fmt: skip


def _check_labels(start: bytes, channels: int) -> None:
    """Raise if the first channel of a compressed segmentation does not follow the offsets of all (a file of zeros)."""
    if int.from_bytes(start, "little") != channels:
        raise CorruptData("its first channel begins elsewhere than behind the offsets")


def _chunk_at(spec: VolumeSpec, start: Sequence[int]) -> Box | None:
    """Return the box (z, y, x) of the chunk that begins at `start`, None if none does."""
    frame, chunk = spec.frame, spec.read_chunk or spec.domain.shape
    axes = list(zip(start, frame.start, frame.stop, (chunk[i] for i in spec.spatial), strict=True))
    if any(not low <= a < high or (a - low) % n for a, low, high, n in axes):
        return None
    return Box(tuple(start), tuple(min(a + n, high) for a, _, high, n in axes))


def _parts(spec: VolumeSpec) -> tuple[tuple[str, ...], ...]:
    """Return the parts of the names of chunks along x, y, z."""
    frame, chunk = spec.frame, spec.read_chunk or spec.domain.shape
    axes = zip(frame.start, frame.stop, (chunk[i] for i in spec.spatial), strict=True)
    z, y, x = ([f"{a}-{min(a + n, high)}" for a in range(low, high, n)] for low, high, n in axes)
    return tuple(sorted(f"{one}_" for one in x)), tuple(sorted(f"{one}_" for one in y)), tuple(sorted(z))


def _path_of(level: int, box: Box) -> str:
    ranges = [f"{a}-{b}" for a, b in zip(box.start, box.stop, strict=True)]
    return f"{level}/{'_'.join(reversed(ranges))}"
