from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.contracts.id_groups import MINISHARD_BITS, group_of, hash_ids
from voxome.errors import InvalidInput

IDS = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("id", "hashed"),
    [
        (0, 0x4772B084E028AE41),
        (1, 0xE8BD67D616D4CE9A),
        (5, 0xABDD7BC328613F9F),
        (2**53 + 1, 0xDFDE6C7958396398),
        (2**63 + 5, 0xCA2865055AC2893D),
        (2**64 - 1, 0x574F66BD212B5D1A),
    ],
)
def test_the_hash_is_that_of_the_format(id, hashed):
    """Numbers of an implementation in plain integers; `test_shards.py` compares with tensorstore."""
    assert hash_ids(np.array([id], np.uint64)).tolist() == [hashed]


@given(IDS, st.integers(0, 12))
def test_the_bits_above_the_minishard_number_the_group(id, bits):
    ids = np.array([id], np.uint64)
    assert group_of(ids, 1 << bits).tolist() == [(int(hash_ids(ids)[0]) >> MINISHARD_BITS) & ((1 << bits) - 1)]


def test_groups_of_consecutive_ids_are_of_similar_size():
    counts = np.bincount(group_of(np.arange(1, 10_001, dtype=np.uint64), 16), minlength=16)
    assert counts.min() > 500


@pytest.mark.parametrize("groups", [0, 3, -4])
def test_the_number_of_groups_is_a_power_of_two(groups):
    with pytest.raises(InvalidInput, match="power of two"):
        group_of(np.array([1], np.uint64), groups)
