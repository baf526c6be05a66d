"""Encodings of voxels that clients send."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from voxome.relay.dialects.boss.errors import Refused
from voxome.relay.dialects.boss.formats import NPYGZ, decode

VOXELS = np.arange(64, dtype="uint8").reshape(4, 4, 4)


def npygz(voxels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, voxels)
    return zlib.compress(stream.getvalue())


@pytest.mark.parametrize("cut", range(1, 6))
def test_npygz_without_its_whole_checksum_is_refused(cut: int) -> None:
    with pytest.raises(Refused):
        decode(bytearray(npygz(VOXELS)[:-cut]), NPYGZ, VOXELS.dtype, VOXELS.shape)


def test_what_follows_npygz_is_refused() -> None:
    with pytest.raises(Refused, match="goes on"):
        decode(bytearray(npygz(VOXELS) + b"x"), NPYGZ, VOXELS.dtype, VOXELS.shape)


def test_npygz_is_decoded_whole_if_its_header_is_the_longest() -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4, 4)}".ljust(4096 - 11) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + VOXELS.tobytes()
    found = decode(bytearray(zlib.compress(content)), NPYGZ, VOXELS.dtype, VOXELS.shape)
    assert_array_equal(found, VOXELS)
