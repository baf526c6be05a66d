from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from voxome.contracts.kinds import Rows
from voxome.kinds import group_parts
from voxome.kinds.object_rows import ObjectRows

COLUMNS = {"piece": "bytes", "id": "uint64", "block": "int64", "name": "bytes"}


def batch(block: int) -> Rows:
    ids = np.array([2**63 + block, 7, 7], np.uint64)
    pieces, names = np.empty(3, object), np.empty(3, object)
    pieces[:], names[:] = [b"alone", b"\0" * block, b""], [b"a", b"b", b"c%d" % block]
    return {"piece": pieces, "id": ids, "block": np.full(3, block), "name": names}


@pytest.mark.parametrize("in_memory", [1 << 20, 4])
def test_objects_have_their_rows_in_the_order_of_the_batches(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_parts, "_IN_MEMORY", in_memory)
    rows = ObjectRows(map(batch, range(4)), COLUMNS)
    assert rows.ids().tolist() == [7, *range(2**63, 2**63 + 4)]
    found = rows.rows(7)
    assert list(found) == list(COLUMNS)
    assert found["block"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found["piece"].tolist() == [b"", b"", b"\0", b"", b"\0\0", b"", b"\0\0\0", b""]
    assert found["name"].tolist()[1::2] == [b"c0", b"c1", b"c2", b"c3"]
    assert rows.rows(2**63 + 2)["piece"].tolist() == [b"alone"]
    assert len(rows.rows(8)["name"]) == 0


def test_no_batches_are_no_objects() -> None:
    assert ObjectRows(iter(()), COLUMNS).ids().tolist() == []


@pytest.mark.slow
def test_memory_holds_the_byte_strings_of_one_object() -> None:
    """Fifty objects of two megabytes each take the memory of a few, and of what is kept before a file is written."""

    def large(block: int) -> Rows:
        pieces, names = np.empty(5, object), np.empty(5, object)
        pieces[:], names[:] = [bytes([block]) * 200_000] * 5, [b""] * 5
        ids = np.arange(5 * (block % 10), 5 * (block % 10) + 5, dtype=np.uint64)
        return {"piece": pieces, "id": ids, "block": np.full(5, block), "name": names}

    tracemalloc.start()
    rows = ObjectRows(map(large, range(100)), COLUMNS)
    assert len(rows.ids()) == 50
    for id in rows.ids().tolist():
        assert sum(map(len, rows.rows(id)["piece"])) == 2_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6
