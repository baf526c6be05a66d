"""Editors that are killed: an edit is there as a whole, or not at all."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from multiprocessing.context import ForkServerContext
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from services.proofreading.killed import EDITS, LABELS, POINTS, edit_and_die, edit_at_random, lock_and_die, read_all

import voxome
from voxome.errors import EditConflict
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.source import SegmentsSource
from voxome.services.proofreading.store import ProofreadingStore
from voxome.services.proofreading.tables import CHUNKS, LEASES, STORED_IDS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that start fast."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["voxome.services.proofreading.verb"])
    return context


@pytest.mark.parametrize("edit", EDITS)
def test_a_killed_edit_is_there_as_a_whole_or_absent(processes: ForkServerContext, store: str, edit: str) -> None:
    session = voxome.proofread(LABELS, store, author="ann")
    session.merge([1, 2])
    if edit == "redo":
        session.undo(1)
    before = look(session)
    states = [before]
    for point in POINTS:
        killed = processes.Process(target=edit_and_die, args=(store, edit, point))
        killed.start()
        killed.join(60)
        assert killed.exitcode == -signal.SIGKILL
        done = point == "after the commit" or (point == "written" and edit != "split")
        history = session.history()
        assert (history[-1].author == "killed") is done
        assert len(history) - len(before[2]) == done
        states.append(look(session))
        if done:
            check(session, edit, states[-1])
            session.refresh()
            session.undo(history[-1].number)
            assert_equal_states(look(session)[:2], before[:2])
            before = look(session)
        else:
            assert_equal_states(states[-1], before)
            assert rows(session.store) == 0
        session.refresh()
        session.merge([3, 6])  # the segments can be edited at once
        session.undo()
        before = look(session)


def look(session: Session) -> tuple[NDArray[Any], NDArray[Any], list[int]]:
    """Return what a session shows: mapping, voxels, and numbers of operations."""
    return session.mapping()["segment"], session.volume[...], [one.number for one in session.history()]


def assert_equal_states(one: Any, other: Any) -> None:
    assert all(np.array_equal(first, second) for first, second in zip(one, other, strict=True))


def check(session: Session, edit: str, state: tuple[NDArray[Any], NDArray[Any], list[int]]) -> None:
    changed = session.history()[-1]
    assert changed.action == edit
    if edit == "split":
        assert len(np.unique(state[1])) == 6
        assert state[1][0, 0, 60] != state[1][0, 0, 71]


def rows(store: ProofreadingStore) -> int:
    """Return the number of chunks and ids that splits have written."""
    with store.database.reading() as connection:
        return sum(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (CHUNKS, STORED_IDS)
        )


def test_a_crash_frees_the_segment(processes: ForkServerContext, store: str) -> None:
    session = voxome.proofread(LABELS, store, author="ann")
    killed = processes.Process(target=lock_and_die, args=(store,))
    killed.start()
    killed.join(60)
    with pytest.raises(EditConflict, match="segment 3 is locked by killed"):
        session.merge([3, 4])
    with session.store.database.writing() as connection:  # as if five minutes had passed
        connection.execute(LEASES.update().values(until_s=LEASES.c.until_s - 300))
    session.merge([3, 4])


def test_concurrent_editors_that_are_killed_leave_one_history(processes: ForkServerContext, store: str) -> None:
    voxome.proofread(LABELS, store, author="ann").close()
    received, sent = processes.Pipe(duplex=False)
    reader = processes.Process(target=read_all, args=(store, sent), daemon=True)
    reader.start()
    seen, choose = [], random.Random(0)
    editors = [processes.Process(target=edit_at_random, args=(store, f"e{at}", at, 40)) for at in range(3)]
    for editor in editors:
        editor.start()
    deadline = time.monotonic() + 300
    kills = 3
    while any(editor.is_alive() for editor in editors) and time.monotonic() < deadline:
        if received.poll(0.2):
            seen.append(received.recv())
        if kills and choose.random() < 0.3:
            at = choose.randrange(3)
            if editors[at].is_alive():
                editors[at].kill()
                editors[at].join()
                kills -= 1
                editors[at] = processes.Process(target=edit_at_random, args=(store, f"e{at}", 10 + kills, 20))
                editors[at].start()
    assert not any(editor.is_alive() for editor in editors)
    seen += [received.recv() for _ in range(2) if received.poll(5)]
    reader.kill()
    reader.join()
    session = voxome.proofread(LABELS, store, author="ann")
    history = session.history()
    assert [one.number for one in history] == list(range(1, len(history) + 1))
    assert len(history) >= 60
    states = {one: expected(session, one) for before, after, _ in seen for one in range(before, after + 1)}
    assert seen
    for before, after, voxels in seen:
        assert any(np.array_equal(states[one], voxels) for one in range(before, after + 1))
    for one in reversed(history):
        take_back = session.redo if one.action == "undo" else session.undo
        take_back(one.target or one.number)
    assert np.array_equal(session.volume[...], LABELS)
    assert session.mapping()["segment"].tolist() == [1, 2, 3, 4, 5, 6]


def expected(session: Session, version: int) -> NDArray[np.uint64]:
    """Return the voxels of a version."""
    return SegmentsSource(session.store, "main", version).read(session.store.domain)
