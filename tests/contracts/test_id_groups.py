from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.id_groups import HASH, MINISHARD_BITS, group_of, hash_ids
from voxome.errors import InvalidInput
from voxome.remotes.precomputed.shards import _HASHES

IDS = st.integers(0, 2**64 - 1)


@given(st.lists(IDS, max_size=20))
def test_the_hash_is_that_of_the_format(ids):
    assert hash_ids(np.array(ids, np.uint64)).tolist() == [_HASHES[HASH](one) for one in ids]


@given(IDS, st.integers(0, 12))
def test_a_group_is_a_shard(id, bits):
    shard = (_HASHES[HASH](id) >> MINISHARD_BITS) & ((1 << bits) - 1)
    assert group_of(np.array([id], np.uint64), 1 << bits).tolist() == [shard]


def test_groups_of_consecutive_ids_are_of_similar_size():
    counts = np.bincount(group_of(np.arange(1, 10_001, dtype=np.uint64), 16), minlength=16)
    assert counts.min() > 500


@pytest.mark.parametrize("groups", [0, 3, -4])
def test_the_number_of_groups_is_a_power_of_two(groups):
    with pytest.raises(InvalidInput, match="power of two"):
        group_of(np.array([1], np.uint64), groups)
