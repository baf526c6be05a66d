"""Mappings that are rebuilt from a long history."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.services.proofreading import contents
from voxome.services.proofreading.database import Database
from voxome.services.proofreading.session import Session

pytestmark = pytest.mark.slow

COUNT, EDITS = 300, 10_000


def edit_at_random(session: Session, choose: random.Random, count: int) -> None:
    """Merge and cleave, so that every supervoxel changes often."""
    for _ in range(count):
        segments = np.unique(session.segment_of(choose.sample(range(1, COUNT + 1), 2))).tolist()
        members = session.supervoxels(segments[0]).tolist()
        if len(members) > 1 and (len(segments) == 1 or choose.random() < 0.7):
            session.cleave(segments[0], choose.sample(members, choose.randint(1, len(members) - 1)))
        elif len(segments) == 2:
            session.merge(segments)


def test_a_mapping_is_the_same_when_its_history_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "_flush", lambda database: None)  # nothing is killed here
    labels = np.arange(1, COUNT + 1, dtype=np.uint64).reshape(1, 1, -1)
    main = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann")
    choose = random.Random(0)
    edit_at_random(main, choose, EDITS // 2)
    other = main.create_branch("other")
    for session in (main, other) * 5:
        edit_at_random(session, choose, EDITS // 20)
    monkeypatch.setattr(contents, "_OPEN", {})  # read everything again
    for session in (main, other):
        changes = Counter(one for edit in session.history() for one in edit.changes.moves[:, 0].tolist())
        assert min(changes[one] for one in range(1, COUNT + 1)) >= 3
        again = voxome.proofread(labels, tmp_path / "edits.sqlite", author="bob", branch=session.branch)
        for name, column in session.mapping().items():
            assert np.array_equal(column, again.mapping()[name])
        assert np.array_equal(again.volume[0, 0], session.mapping()["segment"])
        copied = voxome.proofread(
            labels, tmp_path / f"{session.branch}.sqlite", author="bob", mapping=tuple(session.mapping().values())
        )
        assert np.array_equal(copied.mapping()["segment"], session.mapping()["segment"])
    assert not np.array_equal(main.mapping()["segment"], other.mapping()["segment"])
