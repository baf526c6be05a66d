"""Frames of blosc that would make its decoder read or write outside its memory are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import blosc

from voxome.storage.blosc_frames import require_blosc_frame

PLAIN = np.arange(3000, dtype="<u2").tobytes()
SHUFFLES = (blosc.NOSHUFFLE, blosc.SHUFFLE, blosc.BITSHUFFLE)


@given(codec=st.sampled_from(blosc.list_compressors()), shuffle=st.sampled_from(SHUFFLES), block=st.integers(0, 4000))
def test_frames_of_every_codec_are_accepted(codec: str, shuffle: int, block: int) -> None:
    frame = blosc.compress(np.frombuffer(PLAIN, "<u2"), codec.encode(), 5, shuffle, block)
    assert require_blosc_frame(frame, len(PLAIN)) == len(PLAIN)


@given(data=st.binary(max_size=200))
def test_frames_that_are_not_compressed_are_accepted(data: bytes) -> None:
    assert require_blosc_frame(blosc.compress(data, b"lz4", 0), len(data)) == len(data)


@pytest.mark.parametrize(
    ("at", "field", "message"),
    [
        (0, b"\x07", "not a frame of blosc"),
        (3, b"\x00", "not a frame of blosc"),
        (4, b"\xff\xff\xff\x7f", "expected at most 6,000"),
        (8, b"\x00\x00\x00\x00", "blocks of 0 bytes"),
        (8, b"\x01\x00\x00\x00", "6,000 blocks by its header"),
        (8, b"\xff\xff\xff\xff", "blocks of 4,294,967,295 bytes"),
        (12, b"\xff\xff\xff\x7f", "2,147,483,647 bytes by its header"),
        (16, b"\x00\x00\x00\x00", "begin outside it"),
        (16, b"\xff\xff\xff\xff", "begin outside it"),
    ],
)
def test_a_header_that_claims_what_is_not_there_is_refused(at: int, field: bytes, message: str) -> None:
    frame = bytearray(blosc.compress(PLAIN, b"zstd", 5, blosc.SHUFFLE))
    frame[at : at + len(field)] = field
    with pytest.raises(ValueError, match=message):
        require_blosc_frame(bytes(frame), len(PLAIN))


def test_a_frame_that_is_cut_is_refused() -> None:
    frame = blosc.compress(PLAIN, b"lz4", 5, blosc.SHUFFLE)
    for size in (0, 15, 16, len(frame) - 1):
        with pytest.raises(ValueError, match="frame of blosc"):
            require_blosc_frame(frame[:size], len(PLAIN))
