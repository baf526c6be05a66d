"""Digests are those of the bytes, and remembered only for what cannot change."""

from __future__ import annotations

import gc
import hashlib

import numpy as np
import pytest

from voxome.relay import digests
from voxome.relay.digests import digest_of


def md5(content: object) -> str:
    return hashlib.md5(bytes(content), usedforsecurity=False).hexdigest()  # type: ignore[call-overload]


def parts(owner: np.ndarray) -> list[memoryview]:
    flat = owner.reshape(-1).view(np.uint8)
    return [flat.data, flat[:10].data, flat[5:15].data]


def remembered(owner: int) -> int:
    return sum(key[0] == owner for key in list(digests._DIGESTS))


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["array", "file"])
def test_parts_of_a_chunk_have_digests_of_their_own_which_are_remembered(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = np.arange(1000, dtype="uint32").reshape(10, 10, 10).copy()
    if origin == "file":
        owner = np.frombuffer(owner.tobytes(), "uint32").reshape(10, 10, 10)
    owner.flags.writeable = False
    mine = id(digests._owner(parts(owner)[0]))
    expected = [md5(part) for part in parts(owner)]
    assert [digest_of(part) for part in parts(owner)] == expected
    assert remembered(mine) == 3
    monkeypatch.setattr(digests, "_md5", lambda content: "computed again")
    assert [digest_of(part) for part in parts(owner)] == expected
    del owner
    gc.collect()
    assert remembered(mine) == 0


def test_what_may_change_is_digested_again() -> None:
    array = np.zeros(100, "uint8")
    buffer = bytearray(100)
    over = np.frombuffer(buffer, "uint8")
    over.flags.writeable = False
    for content, change in [(array.data, array), (over.data, buffer), (memoryview(buffer), buffer)]:
        first = digest_of(content)
        change[3] += 1
        assert digest_of(content) == md5(content) != first
    assert digest_of(b"abc") == md5(b"abc")
