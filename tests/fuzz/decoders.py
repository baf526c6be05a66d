"""Decoders of bytes: each takes any bytes and raises nothing but what it documents."""

from __future__ import annotations

import gzip
import io
import lzma
import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numcodecs
import numpy as np
from numpy.typing import NDArray

from voxome.errors import OutOfMemory, VoxomeError
from voxome.remotes import decompression
from voxome.remotes.n5.lz4 import unpack_lz4

_SIZE = 4096
PROMISE = 1 << 24
"""Bytes of pixels that a file of TIFF may claim here: it may take as many, whatever its size."""


class Decoder(NamedTuple):
    """A decoder, valid inputs, the errors that it documents, and the bytes of the header of its inputs."""

    seeds: Sequence[bytes]
    decode: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    header: int = 16


def _plain() -> list[bytes]:
    random = np.random.default_rng(0)
    return [bytes(_SIZE), np.arange(_SIZE // 2, dtype="<u2").tobytes(), random.integers(0, 4, _SIZE, "u1").tobytes()]


def _of_codec(name: str, **options: Any) -> Decoder:
    encode = numcodecs.get_codec({"id": name, **options}).encode
    errors = (ValueError, zlib.error, lzma.LZMAError, OSError)
    return Decoder(
        [bytes(encode(plain)) for plain in _plain()], lambda data: decompression.decompress(name, data, _SIZE), errors
    )


def _of_brotli() -> Decoder:
    seeds = [bytes(imagecodecs.brotli_encode(plain)) for plain in _plain()]
    return Decoder(seeds, lambda data: decompression.decompress("br", data, _SIZE), (ValueError,))


def _of_files() -> Decoder:
    seeds = [gzip.compress(plain) for plain in _plain()]
    return Decoder(seeds, lambda data: decompression.inflate(data, 31), (zlib.error,))


def _of_snappy() -> Decoder:
    import pyarrow as pa

    seeds = [pa.compress(plain, codec="snappy", asbytes=True) for plain in _plain()]
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


def _of_cutouts() -> Decoder:
    from voxome.remotes.bossdb import cutouts

    out = np.empty((16, 16, 16), np.uint16)
    seeds = [cutouts.encode(np.frombuffer(2 * plain, np.uint16).reshape(out.shape)) for plain in _plain()]
    return Decoder(seeds, lambda data: cutouts.decode(data, out, out.dtype, "a cutout"), (VoxomeError,))


def _of_bodies(content_type: str) -> Decoder:
    from voxome.relay.dialects.boss import formats
    from voxome.relay.dialects.boss.errors import Refused

    shape, dtype = (16, 16, 16), np.dtype(np.uint16)
    seeds = [formats.encode(np.frombuffer(2 * plain, dtype).reshape(shape), content_type) for plain in _plain()]
    return Decoder(seeds, lambda data: formats.decode(bytearray(data), content_type, dtype, shape), (Refused,))


def _of_codings() -> Decoder:
    from voxome.relay.codings import decode_content
    from voxome.relay.request_errors import TooLarge

    seeds = [gzip.compress(plain) for plain in _plain()]
    return Decoder(seeds, lambda data: decode_content(data, "gzip", _SIZE), (VoxomeError, TooLarge))


def _of_npy_bodies() -> Decoder:
    from voxome.relay.npy import read_npy

    shape, dtype = (16, 16, 16), np.dtype(np.uint8)
    stream = io.BytesIO()
    np.save(stream, np.ones(shape, dtype))
    return Decoder([stream.getvalue()], lambda data: read_npy(data, shape, dtype), (VoxomeError,), 128)


def _of_xml() -> Decoder:
    from voxome.relay.dialects.s3.documents import parse_document

    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;ab&quot;</ETag></Part>" for n in range(1, 9))
    seed = f"<CompleteMultipartUpload xmlns='http://s3'>{parts}</CompleteMultipartUpload>".encode()
    return Decoder([seed], lambda data: parse_document(data, "CompleteMultipartUpload"), (VoxomeError,))


def _of_requests() -> Decoder:
    import httptools

    from voxome.relay.request_parser import RequestParser

    class Protocol:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    head = b"HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    seeds = [
        b"GET /a?b=1 " + head + b"\r\n",
        b"POST /a " + head + b"Content-Length: 5\r\n\r\nhello",
        b"PUT /a " + head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ]
    return Decoder(seeds, lambda data: RequestParser(Protocol()).feed_data(data), (httptools.HttpParserError,))


def _of_journal() -> Decoder:
    from voxome.geometry import Box
    from voxome.relay.writes import frame
    from voxome.relay.writes.entry import WriteEntry

    box = Box.of_shape((4, 5, 6))
    voxels = frame.Voxels(np.ones(box.shape, np.uint16), np.ones(box.shape, np.bool_))
    payload = frame.encode_payload(voxels)
    entry = WriteEntry(
        7, "zarr:///a", "em", 0, box, "zyx uint16", "<u2", True, len(payload), zlib.crc32(payload), 1.0, ()
    )
    head, start = frame.encode_head(entry), frame._START

    def decode(data: bytes) -> None:
        _, payload = frame.parse_file(data)
        frame.decode_payload(frame.parse_file(data)[0], payload)

    def decode_with_checksums(data: bytes) -> None:
        """Decode a file whose header has the checksum that it should have: damage is not all that can be wrong."""
        if len(data) > start.size:
            length = start.unpack_from(data)[1]
            header = data[start.size : start.size + length]
            data = start.pack(b"VXWRITE1", length, zlib.crc32(header)) + data[start.size :]
        decode(data)

    return Decoder([head + payload], decode_with_checksums, (VoxomeError,))


def _of_manifests() -> Decoder:
    from voxome.remotes.precomputed.mesh_manifest import Level, Manifest

    levels = [Level(np.zeros(3), np.zeros((n, 3), np.uint32), np.ones(n, np.int64), 1.0) for n in (4, 1)]
    seed = Manifest(np.ones(3), np.zeros(3), levels).encode()
    return Decoder([seed], Manifest.decode, (ValueError, struct.error))


def _of_shards() -> Decoder:
    from tempfile import mkdtemp

    from voxome.remotes.precomputed.shard_reader import ShardReader
    from voxome.remotes.precomputed.shard_writer import write_shard
    from voxome.remotes.precomputed.sharding import Sharding
    from voxome.storage.local import LocalPath

    folder, ids = LocalPath(mkdtemp()), np.arange(1, 40, dtype=np.uint64)
    sharding = Sharding(shard_bits=0, minishard_bits=1, data_encoding="gzip")
    write_shard(folder, sharding, 0, ((int(id), b"value %d" % id) for id in ids))
    file = Path((folder / sharding.file_name(0)).path)
    seed = file.read_bytes()

    def decode(data: bytes) -> None:
        file.write_bytes(data)
        ShardReader(folder, sharding).read_all(ids)

    return Decoder([seed], decode, (VoxomeError,), sharding.index_bytes)


def _of_relay_files() -> Decoder:
    from tempfile import mkdtemp

    from voxome.relay.config_file import parse_config, read_config

    file = Path(mkdtemp()) / "relay.toml"
    seed = (
        b'port = 8090\nworkers = 4\nallow_origins = ["*"]\n[cache]\nfolder = "/c"\nmemory_mib = 10\n[limits]\n'
        b'header_s = 10\n[sources."lab/em"]\nuri = "zarr:///a"\nreaders = ["lab"]\nttl_s = 60\n'
        b'[sources.edges]\ntool = "common.threshold"\nsource = "lab/em"\nparameters = {at = 100}\n'
    )

    def decode(data: bytes) -> None:
        file.write_bytes(data)
        parse_config(read_config(file), str(file))

    return Decoder([seed], decode, (VoxomeError,), 0)


def _of_trees() -> Decoder:
    from voxome.models.pixels.card import FeatureChoice, ForestCard
    from voxome.models.pixels.forest import _read_trees, write_trees
    from voxome.models.pixels.trees import NODE, Trees

    nodes = np.array([(0.5, 0, 1), (np.inf, 0, 1), (np.inf, 0, 2)], NODE)
    seed = write_trees(Trees(nodes, np.zeros(1, np.uint32), np.full((3, 2), 0.5)))
    card = ForestCard(
        name="a", file="a.npz", sha256="0", classes=("a", "b"), features=(FeatureChoice(name="gaussian", sigma_um=1),),
        dimensions=3, voxel_size_nm=(8, 8, 8), dtype="uint8", intensity_range=(0, 255),
    )  # fmt: skip
    return Decoder([seed], lambda data: _read_trees(data, Path("a.npz"), card), (VoxomeError,), 30)


def _of_arrays() -> Decoder:
    from voxome.storage.array_file import unpack_arrays

    stream = io.BytesIO()
    np.savez(stream, id=np.arange(50, dtype=np.uint64), size=np.ones((5, 3), np.float32))
    return Decoder([stream.getvalue()], unpack_arrays, (ValueError,), 30)


def _of_rows() -> Decoder:
    from voxome.resources import row_bytes

    columns = {"id": "uint64", "size": "float32"}
    rows: dict[str, NDArray[Any]] = {"id": np.arange(50, dtype=np.uint64), "size": np.ones(50, np.float32)}
    seed = row_bytes.encode_batch(row_bytes.to_batch(rows, columns))
    return Decoder([seed, seed * 2], lambda data: list(row_bytes.decode_batches(data, columns)), (ValueError,))


def _of_cubes(suffix: str) -> Decoder:
    from tempfile import mkdtemp

    from voxome.remotes.knossos import cubes

    folder, edge = Path(mkdtemp()), 32
    # Whole cubes would take 64 times as long to decode; nothing else in this process reads any
    cubes.EDGE, cubes.CUBE, cubes._OVERLAY_BYTES = edge, (edge, edge, edge), 8 * edge**3
    voxels = np.zeros((edge * edge, edge), np.uint8)
    voxels[:50] = np.arange(edge)
    encoders: dict[str, Callable[[Any], bytes | bytearray]] = {
        ".png": imagecodecs.png_encode,
        ".jpg": imagecodecs.jpeg8_encode,
        ".j2k": imagecodecs.jpeg2k_encode,
    }
    read: Callable[[Path], object] = cubes.image if suffix in encoders else cubes.overlay
    if suffix in encoders:
        seed = bytes(encoders[suffix](voxels))
    else:
        cubes.store(folder / "a", np.zeros(cubes.CUBE, np.uint64))
        seed = (folder / f"a{suffix}").read_bytes()

    def decode(data: bytes) -> None:
        (folder / f"a{suffix}").write_bytes(data)
        read(folder / "a")

    return Decoder([seed], decode, (VoxomeError,))


def _of_sections(suffix: str) -> Decoder:
    from tempfile import mkdtemp

    from PIL import Image

    from voxome.remotes import image_codecs

    folder = Path(mkdtemp())
    images = [Image.fromarray(np.zeros(shape, np.uint8)) for shape in ((40, 50), (40, 50, 3))]
    if suffix == ".png":
        images += [images[0].convert("1"), images[1].quantize(9), Image.fromarray(np.zeros((40, 50), np.uint16))]
        images[3].info["transparency"] = 0
    seeds = []
    for image in images:
        image.save(folder / f"a{suffix}")
        seeds.append((folder / f"a{suffix}").read_bytes())

    def decode(data: bytes) -> None:
        (folder / f"a{suffix}").write_bytes(_with_checksums(data) if suffix == ".png" else data)
        image_codecs.decode(folder / f"a{suffix}", image_codecs.probe(folder / f"a{suffix}"))

    return Decoder(seeds, decode, (VoxomeError,), 33)


def _of_tiffs() -> Decoder:
    from tempfile import mkdtemp

    import tifffile
    from PIL import Image

    from voxome.remotes import image_codecs

    file, grey = Path(mkdtemp()) / "a.tif", np.arange(40 * 50, dtype=np.uint8).reshape(40, 50)
    seeds = []
    for compression in ("lzw", "packbits", "zlib", "zstd", "lzma", "jpeg2000", "jpegxl"):
        tifffile.imwrite(file, grey, compression=compression)
        seeds.append(file.read_bytes())
    tifffile.imwrite(file, np.dstack([grey] * 3), photometric="rgb", compression="jpeg")
    seeds.append(file.read_bytes())
    for compression in ("group3", "group4"):
        Image.fromarray(grey > 99).save(file, compression=compression)
        seeds.append(file.read_bytes())

    def decode(data: bytes) -> None:
        file.write_bytes(data)
        form = image_codecs.probe(file)
        if math.prod(form.shape) * form.dtype.itemsize <= PROMISE:
            image_codecs.decode(file, form)

    return Decoder(seeds, decode, (VoxomeError,))


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG file whose chunks have the checksums that they should have."""
    mended, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        mended[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended[: len(data)])


def _of_tables(suffix: str) -> Decoder:
    from tempfile import mkdtemp

    import pyarrow as pa
    import pyarrow.parquet as pq

    from voxome.resources.table import TableFile

    file = Path(mkdtemp()) / f"a{suffix}"
    pq.write_table(pa.table({"id": np.arange(99), "density": np.ones(99), "name": ["a"] * 99}), file)

    def decode(data: bytes) -> None:
        file.write_bytes(data)
        with suppress(OutOfMemory):  # rows of Parquet may take the memory that they claim
            TableFile(file).read()

    return Decoder([file.read_bytes()], decode, (VoxomeError,))


def _of_uris() -> Decoder:
    from voxome.contracts.uri import Uri

    seeds = [
        b"zarr://s3://bucket/a.zarr?endpoint=http://me:x@host:9000&level=1", b"/data/run?a=1??level=2",
        b"s3://bucket/a.zip|zip:|zarr3:", b"precomputed://https://host/a?token=b", b"file:///a/../b",
    ]  # fmt: skip

    def decode(data: bytes) -> None:
        uri = Uri.parse(data.decode("utf-8", "surrogateescape"))
        repr(uri)
        repr(Uri.parse(uri.reveal()))

    return Decoder(seeds, decode, (VoxomeError,))


def _of_messages() -> Decoder:
    from voxome.redaction import redact

    seeds = [
        b'{"token": "a\\"b", "password": \\"c\\"} Authorization: Token abc, Cookie: a=b',
        b"GET http://me:a%40b@host/x?token=c&next=http%3A%2F%2Fme:d%40host b'Token e' secret=f",
        b'"token": "' + b"\\" * 60,
    ]
    return Decoder(seeds, lambda data: redact(data.decode("latin1")), ())


def _of_boxes() -> Decoder:
    from voxome.geometry import Box

    seeds = [b"0:4,0:5,-3:6", b"-12:0,7:9,10:20"]
    return Decoder(seeds, lambda data: Box.parse(data.decode("latin1")), (VoxomeError,), 0)


DECODERS: Mapping[str, Callable[[], Decoder]] = {
    "addresses": _of_uris,
    "archives of trees": _of_trees,
    "arrays of blocks": _of_arrays,
    "bodies: blosc": lambda: _of_bodies("application/blosc"),
    "bodies: gzip": _of_codings,
    "bodies: npy": _of_npy_bodies,
    "bodies: npygz": lambda: _of_bodies("application/npygz"),
    "bodies: XML": _of_xml,
    "blosc of BossDB": _of_cutouts,
    "blosc of lz4": lambda: _of_codec("blosc", cname="lz4"),
    "blosc of zstd": lambda: _of_codec("blosc", cname="zstd"),
    "boxes": _of_boxes,
    "br": _of_brotli,
    "bz2": lambda: _of_codec("bz2"),
    "cubes: j2k": lambda: _of_cubes(".j2k"),
    "cubes: jpg": lambda: _of_cubes(".jpg"),
    "cubes: overlay": lambda: _of_cubes(".seg.sz.zip"),
    "cubes: png": lambda: _of_cubes(".png"),
    "files of relays": _of_relay_files,
    "gzip": lambda: _of_codec("gzip"),
    "gzip of files": _of_files,
    "indices of DVID": _of_indices,
    "journal": _of_journal,
    "label blocks of DVID": _of_label_blocks,
    "lz4": lambda: _of_codec("lz4"),
    "lz4 of N5": _of_n5,
    "lzma": lambda: _of_codec("lzma"),
    "manifests of meshes": _of_manifests,
    "messages": _of_messages,
    "meshes: draco": lambda: _of_meshes(".drc"),
    "meshes: glb": lambda: _of_meshes(".glb"),
    "meshes: ngmesh": lambda: _of_meshes(".ngmesh"),
    "meshes: obj": lambda: _of_meshes(".obj"),
    "meshes: ply": lambda: _of_meshes(".ply"),
    "meshes: stl": lambda: _of_meshes(".stl"),
    "requests": _of_requests,
    "rows": _of_rows,
    "runs of DVID": _of_runs,
    "sections: jpg": lambda: _of_sections(".jpg"),
    "sections: png": lambda: _of_sections(".png"),
    "sections: tif": _of_tiffs,
    "shards": _of_shards,
    "snappy": _of_snappy,
    "swc": _of_swc,
    "tables": lambda: _of_tables(".parquet"),
    "zlib": lambda: _of_codec("zlib"),
    "zstd": lambda: _of_codec("zstd"),
}
