"""Label indices of a real server, compared with its labels."""

from __future__ import annotations

import numpy as np
import pytest
from remotes.dvid.recorded import response_body

from voxome.errors import CorruptData
from voxome.remotes.dvid.indices import decode_block_keys, decode_index, decode_indices


def _counts(recorded, label):
    """Return voxels by block (z, y, x), from the recorded labels."""
    labels = np.frombuffer(response_body(recorded, "segmentation/raw/0_1_2/128_128_64/0_0_0"), "<u8").reshape(
        64, 128, 128
    )
    blocks, counts = np.unique(np.argwhere(labels == label) // 64, axis=0, return_counts=True)
    return {tuple(block): count for block, count in zip(blocks.tolist(), counts.tolist(), strict=True)}


def _as_dict(index):
    blocks = zip(*(index.rows[name].tolist() for name in ("block_z", "block_y", "block_x")), strict=True)
    return dict(zip(blocks, index.rows["voxels"].tolist(), strict=True))


def test_a_recorded_index_is_decoded(recorded):
    index = decode_index(response_body(recorded, "/index/1040"), "index")
    assert (index.label, index.voxels, index.mutation_id, index.user) == (1040, 2, 0, "")
    assert index.supervoxels.tolist() == [1040]
    assert _as_dict(index) == _counts(recorded, 1040)


@pytest.mark.slow
def test_recorded_indices_of_several_labels_are_decoded(recorded):
    found = dict(decode_indices(response_body(recorded, "/indices-compressed"), "indices"))
    assert list(found) == [1004, 1040, 99999999]
    assert found[99999999] is None
    assert _as_dict(found[1004]) == _counts(recorded, 1004)
    assert found[1004].blocks.tolist() == sorted(map(list, _counts(recorded, 1004)))
    assert found[1004].rows["supervoxel"].dtype == np.uint64


def test_block_keys_are_signed():
    sign = 1 << 20
    keys = np.array([(3 << 42) | ((sign | 5) << 21) | (sign | 1048575), (sign | 2) << 42], np.uint64)
    z, y, x = decode_block_keys(keys)
    assert z.tolist() == [3, -2]
    assert y.tolist() == [-5, 0]
    assert x.tolist() == [-1048575, 0]


def test_malformed_indices_are_refused(recorded):
    data = response_body(recorded, "/indices-compressed")
    broken = bytearray(data)
    broken[17] = 7
    for wrong in (data[:-3], data[:40], b"\x10" + data[1:], data[:16] + b"\x20" + data[17:], bytes(broken)):
        with pytest.raises(CorruptData, match="indices"):
            list(decode_indices(wrong, "indices"))
    with pytest.raises(CorruptData, match="index: 9 bytes are not a protobuf message LabelIndex"):
        decode_index(b"\xff" * 9, "index")
