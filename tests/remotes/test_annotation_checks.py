"""Ids that occur once."""

from __future__ import annotations

import numpy as np
import pytest

from voxome.remotes import annotation_checks
from voxome.remotes.annotation_checks import UniqueIds


@pytest.mark.parametrize("kept", [0, 7, 1 << 20])
def test_an_id_that_occurs_twice_is_found_with_its_rows(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_checks, "_KEPT", kept)
    ids = np.random.default_rng(0).permutation(500).astype(np.uint64) + np.uint64(2**63)
    for first, second in ((0, 499), (3, 4), (17, 200)):
        repeated = ids.copy()
        repeated[second] = repeated[first]
        with UniqueIds() as seen:
            for start in range(0, 500, 30):
                seen.add(repeated[start : start + 30])
            assert seen.find_repeated() == (int(ids[first]), first + 1, second + 1)


@pytest.mark.parametrize("kept", [0, 7, 1 << 20])
def test_ids_that_differ_are_accepted(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_checks, "_KEPT", kept)
    with UniqueIds() as seen:
        assert seen.find_repeated() is None
        for start in range(0, 90, 30):
            seen.add(np.arange(start, start + 30, dtype=np.uint64))
        assert seen.find_repeated() is None


def test_the_first_row_that_repeats_an_id_is_named() -> None:
    with UniqueIds() as seen:
        seen.add(np.array([9, 1, 5, 5, 1], np.uint64))
        assert seen.find_repeated() == (5, 3, 4)
