"""Decoders of bytes: each takes any bytes and raises nothing but what it documents."""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import imagecodecs
import numcodecs
import numpy as np

from voxome.errors import VoxomeError
from voxome.remotes import decompression
from voxome.remotes.n5.lz4 import unpack_lz4

_SIZE = 4096


class Decoder(NamedTuple):
    """A decoder, valid inputs, and the errors that it documents."""

    seeds: Sequence[bytes]
    decode: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]


def _plain() -> list[bytes]:
    random = np.random.default_rng(0)
    return [bytes(_SIZE), np.arange(_SIZE // 2, dtype="<u2").tobytes(), random.integers(0, 4, _SIZE, "u1").tobytes()]


def _of_codec(name: str, **options: Any) -> Decoder:
    encode = numcodecs.get_codec({"id": name, **options}).encode
    errors = (ValueError, zlib.error, lzma.LZMAError, OSError)
    return Decoder(
        [bytes(encode(plain)) for plain in _plain()], lambda data: decompression.decompress(name, data, _SIZE), errors
    )


def _of_files() -> Decoder:
    seeds = [gzip.compress(plain) for plain in _plain()]
    return Decoder(seeds, lambda data: decompression.inflate(data, 31), (zlib.error,))


def _of_snappy() -> Decoder:
    seeds = [bytes(imagecodecs.snappy_encode(plain)) for plain in _plain()]
    return Decoder(seeds, lambda data: decompression.decode_snappy(data, _SIZE), (ValueError,))


def _of_n5() -> Decoder:
    head = struct.Struct("<8sBiiI")
    seeds = []
    for plain in _plain():
        packed = bytes(imagecodecs.lz4_encode(plain, header=False))
        seeds.append(
            head.pack(b"LZ4Block", 0x26, len(packed), len(plain), 0) + packed + head.pack(b"LZ4Block", 16, 0, 0, 0)
        )
    return Decoder(seeds, lambda data: unpack_lz4(data, _SIZE), (ValueError, struct.error))


def _of_label_blocks() -> Decoder:
    from voxome.remotes.dvid import label_blocks

    shape = (16, 16, 16)
    rows = [np.zeros(shape, np.uint64), np.arange(16**3, dtype=np.uint64).reshape(shape) // 100]
    out = np.empty(shape, np.uint64)
    return Decoder(
        [label_blocks.encode(one) for one in rows],
        lambda data: label_blocks.decode(data, out, shape=shape),
        (VoxomeError,),
    )


def _of_runs() -> Decoder:
    from voxome.geometry.runs import Runs
    from voxome.remotes.dvid.sparse import decode_rles, encode_rles

    seeds = [encode_rles(Runs.from_table(np.array(rows, np.int64))) for rows in ([[1, 2, 3, 9]], [[0, 0, 0, 5]] * 9)]
    return Decoder(seeds, lambda data: decode_rles(data, "runs"), (VoxomeError,))


def _of_indices() -> Decoder:
    from voxome.remotes.dvid.indices import decode_index
    from voxome.remotes.dvid.messages import new_message

    message = new_message("LabelIndex")
    for key in range(4):
        message.blocks[key].counts[key + 7] = 10
    return Decoder([message.SerializeToString()], lambda data: decode_index(data, "an index"), (VoxomeError,))


def _of_meshes(suffix: str) -> Decoder:
    import DracoPy

    from voxome.contracts.shapes import Mesh
    from voxome.remotes.mesh_formats import FORMATS, decode_mesh

    corners = np.array([[0, 0, 0], [0, 0, 9], [0, 9, 0], [9, 0, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.uint32)
    encode = FORMATS[suffix].encode
    seed = DracoPy.encode(corners, faces) if encode is None else encode(Mesh(corners, faces))
    return Decoder([bytes(seed)], lambda data: decode_mesh(f"a{suffix}", data), (VoxomeError,))


def _of_swc() -> Decoder:
    from voxome.remotes.swc_format import decode_swc

    seed = b"# unit: nm\n1 1 0 0 0 5 -1\n2 3 1.5 2 3 0.5 1\n3 3 2 2 3 0.5 2\n4 3 2 9 3 0.5 2\n"
    return Decoder([seed], lambda data: decode_swc(data.decode("latin1"), "a.swc", "nm"), (VoxomeError,))


DECODERS: Mapping[str, Callable[[], Decoder]] = {
    "blosc of lz4": lambda: _of_codec("blosc", cname="lz4"),
    "blosc of zstd": lambda: _of_codec("blosc", cname="zstd"),
    "bz2": lambda: _of_codec("bz2"),
    "gzip": lambda: _of_codec("gzip"),
    "gzip of files": _of_files,
    "indices of DVID": _of_indices,
    "label blocks of DVID": _of_label_blocks,
    "lz4": lambda: _of_codec("lz4"),
    "lz4 of N5": _of_n5,
    "lzma": lambda: _of_codec("lzma"),
    "meshes: draco": lambda: _of_meshes(".drc"),
    "meshes: glb": lambda: _of_meshes(".glb"),
    "meshes: ngmesh": lambda: _of_meshes(".ngmesh"),
    "meshes: obj": lambda: _of_meshes(".obj"),
    "meshes: ply": lambda: _of_meshes(".ply"),
    "meshes: stl": lambda: _of_meshes(".stl"),
    "runs of DVID": _of_runs,
    "snappy": _of_snappy,
    "swc": _of_swc,
    "zlib": lambda: _of_codec("zlib"),
    "zstd": lambda: _of_codec("zstd"),
}
