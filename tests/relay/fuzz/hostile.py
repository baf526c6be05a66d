"""Values that no honest client sends."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zlib
from typing import Any

import numpy as np

PARTS = (
    "", ".", "..", "%2e%2e", "..%2f", "..%2fprivate", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "em%00", "%ff%fe",
    "%25", "+", "%2B", "%20", "%0a%0dX:1", "..\\..\\", "*", "~", "{", "|", "'", "%22", "<script>", "a" * 300,
    "a" * 5000, "%F0%9F%92%A9", "%D9%A1", "-1", "-0", "00", "1e9", "0x10", "NaN", "inf", "1_0", "0.5", "9999999999",
    "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "9" * 400,
    "9" * 5000, "private", "lab", "em", "seg", "lab%2fexp%2fseg", "info", ".zarray", ".zattrs", "zarr.json",
    ".zgroup", "secret.txt", "c", "0", "1", "7", "mesh", "skeletons", "segment_properties", "cutout", "ids", "v1",
    "latest", "s3", "constructor", "__class__", "%u0041", "con",
)  # fmt: skip
RANGES = (
    "0:4", "0:1", "3:8", "1:0", "4:4", "-5:5", ":", "0:", ":5", "0:10:2", "0:99999999999", "0:9223372036854775807",
    "0:99999999999999999999999", "99999999999:999999999999", "0.5:1", "a:b", "٣:٤", "0:1,", "", "0:4,0:4,0:4",
    "1e3:1e4",
)  # fmt: skip
HEADERS = (
    ("Range", ("bytes=0-3", "bytes=-5", "bytes=3-", "bytes=9-1", "bytes=-0", "bytes=0-0,2-3",
    "bytes=" + "0-1," * 2000, "x=0-1", "bytes=99999999999999999999-", "bytes=-" + "9" * 5000, "bytes=a-b")),
    ("If-None-Match", ("*", '"x"', "W/", '"' * 1001, ",,,,", "W/" * 3000)), ("If-Match", ("*", '"x"', "x", ",")),
    ("If-Range", ('"x"', "W/x", "Wed, 21 Oct 2015 07:28:00 GMT")), ("If-Modified-Since", ("yesterday",
    "Wed, 99 Oct 99999 07:28:00 GMT")), ("Accept", ("*/*", "image/png", "application/blosc", "application/npygz",
    "image/jpeg", "image/tiff", "application/blosc-python", "", ";;,,", "a" * 9000)), ("Content-Type",
    ("application/json", "application/blosc", "application/npygz", "application/x-npy", "image/jpeg", "image/tiff",
    "application/blosc-python", "", "text/xml", "multipart/form-data", "application/x-www-form-urlencoded",
    "application/json; charset=utf-99")), ("Content-Encoding", ("gzip", "aws-chunked", "aws-chunked,gzip", "br",
    "zstd", "x", "gzip, gzip")), ("Origin", ("https://x.test", "null", "https://" + "a" * 3000, "javascript:")),
    ("Cookie", ("voxome=x", "voxome_session=../../x", "=;=", "a" * 4000, "session=\x80")), ("Host", ("", "x",
    "127.0.0.1:99999", "[::1", "a/b", "a" * 300, "\x7f")), ("X-Forwarded-For", ("1.2.3.4", "x", ",,,", "::1",
    "1" * 2000)), ("X-Forwarded-Proto", ("https", "ws", "x")), ("Upgrade", ("websocket", "h2c")), ("Connection",
    ("upgrade", "close", "keep-alive", "x")), ("Expect", ("100-continue", "x")), ("Voxome-Relays", ("x", "," * 500,
    "a" * 3000)), ("x-amz-content-sha256", ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x")), ("x-amz-decoded-content-length", ("5", "-1", "x", "9" * 50)),
    ("x-amz-copy-source", ("/zarr3/private/zarr.json", "../x", "%00")), ("x-amz-checksum-crc32", ("AAAAAA==", "x")),
    ("Content-MD5", ("x", "1B2M2Y8AsgTpgAmY7PhCfg==")), ("Access-Control-Request-Headers", ("x-y, \x01", "," * 500)),
    ("X-Junk", ("\xff\xfe", "a" * 30000, "")),
)  # fmt: skip
JSON_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, 10**400, "", "x", "\x00", "\ud800", "a" * 10000, "../x", "9" * 5000,
    "11", ["11", "1152921504606846977"], [[1, 2, 3]], [[1e300, 0, -1]], "merge", "cleave",
    "split", "undo", "redo", "0", "0.", "٣", [], {},
    [[]], {"a": {"b": 1}}, float("nan"), float("inf"), "public", "admin", "private", "em", ["em"], ["x"] * 1000,
    "2020-01-01",
)  # fmt: skip
FIELDS = (
    "name", "description", "public", "coord_frame", "num_hierarchy_levels", "hierarchy_method", "num_time_samples",
    "time_step", "time_step_unit", "type", "datatype", "base_resolution", "default_time_sample", "sources", "related",
    "x_start", "x_stop", "y_start", "y_stop", "z_start", "z_stop", "x_voxel_size", "y_voxel_size", "z_voxel_size",
    "voxel_unit", "group", "permissions", "collection", "experiment", "channel", "password", "email", "token",
    "layers", "annotations", "version", "id", "creator", "action", "ids", "supervoxels", "points_a_nm", "points_b_nm",
    "operation", "version", "base",
)  # fmt: skip
VERSION = "@VERSION@"
"""Stands for the first version of the segments that are edited."""
FRAME = {
    "x_start": 0, "x_stop": 40, "y_start": 0, "y_stop": 30, "z_start": 0, "z_stop": 20, "x_voxel_size": 4,
    "y_voxel_size": 4, "z_voxel_size": 40,
}  # fmt: skip

_NPY_HEADERS = (
    b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999999, 9), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (4, 4, 4), }",
    b"{'descr': [('a', '<f8', (99999, 99999))], 'fortran_order': 1, 'shape': (1,)}",
    b"{'shape': (-1, -1, -1), 'descr': '|u1', 'fortran_order': False}",
    b"(" * 3000,
    b"\xff\xfe",
)
_BROKEN_JSON = (
    b"",
    b"{}", b"[]", b"null", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"1e999", b"-", b'"\\ud800"', b"NaN", b"9" * 5000,
    b"\xff",
)  # fmt: skip


def body(rng: random.Random) -> bytes:
    """A body, mostly a broken one."""
    return rng.choice((_bytes, npy, _json, _json, fields, fields, edit, _bomb, blosc, xml, _chunks))(rng)


def _bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 7, 64, 600, 5000)))


def npy(rng: random.Random) -> bytes:
    """An array, whole or not, compressed or not, or one whose header lies."""
    stream = io.BytesIO()
    shape = rng.choice(((1, 1, 1), (4, 4, 4), (0, 4, 4), (4,), ()))
    np.save(stream, np.full(shape, 7, rng.choice(("uint8", "uint64", ">u2", "float32", "S3", "complex64"))))
    content = stream.getvalue()
    header = rng.choice(_NPY_HEADERS)
    lying = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content[-64:]
    content = rng.choice((content, content, content[: len(content) // 2], lying, lying))
    return rng.choice((content, zlib.compress(content)))


def _json(rng: random.Random) -> bytes:
    return rng.choice(_BROKEN_JSON)


def edit(rng: random.Random) -> bytes:
    """An edit of segments, perhaps with wrong fields."""
    edit: dict[str, Any] = {
        "action": rng.choice(("merge", "cleave", "split", "undo", "redo")),
        "version": VERSION,
        "ids": ["11", str(2**60 + 1)],
        "id": "11",
        "supervoxels": ["11"],
        "points_a_nm": [[20, 10, 10]],
        "points_b_nm": [[20, 10, 60]],
        "operation": 1,
    }
    for _ in range(rng.randint(0, 2)):
        edit[rng.choice(list(edit))] = rng.choice(JSON_VALUES)
    return json.dumps(edit).encode()


def chunk(rng: random.Random) -> bytes:
    """A chunk of 20, 30, 40 voxels of 64 bits, compressed or not, or of another size."""
    content = bytes(20 * 30 * 40 * 8)
    return rng.choice((content, content[:-1], content + b"x", gzip.compress(content, mtime=0), rng.randbytes(500), b""))


def metadata(rng: random.Random) -> bytes:
    """Metadata of a zarr array, perhaps with a wrong field."""
    right: dict[str, Any] = {
        "zarr_format": 3, "node_type": "array", "shape": [8, 8, 8], "data_type": "uint8", "fill_value": 0,
        "attributes": {},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8, 8]}},
        "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes"}],
    }  # fmt: skip
    if rng.random() < 0.3:
        right = {
            "zarr_format": 2, "shape": [8, 8, 8], "chunks": [8, 8, 8], "dtype": "|u1", "fill_value": 0, "order": "C",
            "compressor": None, "filters": None,
        }  # fmt: skip
    values = (*JSON_VALUES, [2**40] * 3, [0, 0, 0], [-1, 8, 8], "<f16", "string", [{"name": "zstd"}], [{"name": "x"}])
    wrong = {rng.choice(list(right)): rng.choice(values)} if rng.random() < 0.7 else {}
    return json.dumps(right | wrong).encode()


def frame(rng: random.Random) -> bytes:
    """A coordinate frame, perhaps with a wrong field."""
    wrong = {rng.choice(list(FRAME)): rng.choice(JSON_VALUES)} if rng.random() < 0.7 else {}
    return json.dumps(FRAME | wrong).encode()


def project(rng: random.Random) -> bytes:
    """A collection, experiment, channel or permission, perhaps with a wrong field."""
    right = {
        "coord_frame": "cf", "num_hierarchy_levels": 2, "type": "annotation", "datatype": "uint64", "sources": ["own"],
        "group": "crew", "collection": "col", "experiment": "exp", "channel": "own", "permissions": ["read"],
    }  # fmt: skip
    wrong = {rng.choice([*right, *FIELDS]): rng.choice(JSON_VALUES)} if rng.random() < 0.7 else {}
    return json.dumps(right | wrong).encode()


def fields(rng: random.Random) -> bytes:
    """An object with any fields."""
    if rng.random() < 0.2:
        return json.dumps(FRAME | {rng.choice(list(FRAME)): rng.choice(JSON_VALUES)}).encode()
    return json.dumps({rng.choice(FIELDS): rng.choice(JSON_VALUES) for _ in range(rng.randint(0, 5))}).encode()


def _bomb(rng: random.Random) -> bytes:
    return zlib.compress(bytes(rng.choice((10**5, 10**7))), 9)


def blosc(rng: random.Random) -> bytes:
    """A buffer whose header lies."""
    sizes = [rng.choice((0, 64, 2**31 - 1, 2**32 - 1, 80)) for _ in range(3)]
    return struct.pack("<BBBBIII", 2, 1, rng.choice((0, 1, 2, 255)), rng.choice((1, 8, 0)), *sizes) + rng.randbytes(64)


def xml(rng: random.Random) -> bytes:
    """A document, perhaps one that expands, or reads a file."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8)
    )
    entity = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&a;</Key></Object></Delete>'
    plain = b"<Delete><Object><Key>seg/0.0.0</Key></Object><Object><Key>../x</Key></Object></Delete>"
    return rng.choice((bomb + b"]><Delete>&i;</Delete>", entity, plain, b"<Delete>" * 5000, b"<"))


def _chunks(rng: random.Random) -> bytes:
    size = rng.choice((b"5", b"-5", b"ffffffffffffffff", b"x", b"5;chunk-signature=" + b"0" * 64))
    return size + b"\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
