from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from voxome.contracts.kinds import Rows
from voxome.resources.row_bytes import _HEADER, decode_batches, encode_batch, to_batch

COLUMNS = {"id": "uint64", "score": "float32", "text": "bytes"}
ROWS: Rows = {
    "id": np.array([2**64 - 1, 0, 7], np.uint64),
    "score": np.array([0.5, np.nan, -np.inf], np.float32),
    "text": np.array([b"", b"\0" * 1000, b"abc"], object),
}


def test_batches_that_follow_each_other_are_decoded_exactly():
    batch = to_batch(ROWS, COLUMNS)
    data = encode_batch(batch.slice(0, 2)) + encode_batch(batch.slice(2, 1))
    first, second = decode_batches(data, COLUMNS)
    for name, values in ROWS.items():
        np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), values)
        assert first[name].dtype == values.dtype


def test_a_slice_has_only_its_own_bytes():
    batch = to_batch(
        {"id": np.arange(2, dtype=np.uint64), "text": np.array([np.random.default_rng(0).bytes(9999), b""], object)},
        {"id": "uint64", "text": "bytes"},
    )
    assert len(encode_batch(batch.slice(1, 1))) < 1000


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"abc", lambda data: data[:20] + b"\xff" * 40 + data[60:]]
)
def test_damaged_batches_are_refused(damage):
    with pytest.raises(ValueError, match=r".+"):
        list(decode_batches(damage(encode_batch(to_batch(ROWS, COLUMNS))), COLUMNS))


def test_the_end_of_a_stream_in_the_place_of_a_batch_is_refused():
    message = b"\xff\xff\xff\xff" + bytes(4)
    compressed = pa.compress(message, codec="zstd", asbytes=True)
    with pytest.raises(ValueError, match="End of Arrow stream"):
        list(decode_batches(_HEADER.pack(len(message), len(compressed)) + compressed, COLUMNS))


def test_no_bytes_are_no_batches():
    assert list(decode_batches(b"", COLUMNS)) == []


def test_a_size_that_its_bytes_cannot_have_is_refused():
    data = encode_batch(to_batch(ROWS, COLUMNS))
    size, compressed = _HEADER.unpack_from(data)
    with pytest.raises(ValueError, match="claims to be"):
        list(decode_batches(_HEADER.pack(size << 40, compressed) + data[_HEADER.size :], COLUMNS))
