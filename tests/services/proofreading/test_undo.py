"""Undo and redo, in any order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxome
from voxome.errors import EditConflict, InvalidInput, NotFound
from voxome.services.proofreading.session import Session

Open = Callable[..., Session]
COUNT = 6


def test_undo_restores_the_mapping_and_redo_the_edit(open_session: Open) -> None:
    session = open_session()
    states = [session.mapping()["segment"].tolist()]
    session.merge([1, 2, 3])
    session.cleave(1, [2])
    states.append(session.mapping()["segment"].tolist())
    session.undo(2)
    session.undo(1)
    assert session.mapping()["segment"].tolist() == states[0]
    session.redo(1)
    session.undo(3)  # the undo of an undo is a redo
    assert session.mapping()["segment"].tolist() == states[1]
    assert [one.action for one in session.history()] == ["merge", "cleave", "undo", "undo", "redo", "redo"]


def test_the_version_follows_undo_and_redo(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2])
    for number, act in enumerate((session.undo, session.redo), start=2):
        assert act().number == session.version == number


def test_a_closed_session_edits_no_longer(open_session: Open) -> None:
    session = open_session()
    session.close()
    with pytest.raises(InvalidInput, match="this session is closed"):
        session.merge([1, 2])


def test_a_second_undo_or_redo_is_refused(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2])
    with pytest.raises(InvalidInput, match="nothing to redo"):
        session.redo(1)
    session.undo(1)
    with pytest.raises(InvalidInput, match=r"is already undone, by operation 2 \(undo"):
        session.undo(1)
    session.redo(1)
    with pytest.raises(InvalidInput, match="is already undone, by operation 3"):
        session.undo(2)
    with pytest.raises(NotFound, match="no operation 9"):
        session.undo(9)
    session.undo(3)
    assert session.segment_of([2]).tolist() == [2]
    assert len(session.history()) == 4


def test_undo_is_refused_where_later_edits_depend_on_it(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.merge([1, 2])
    bob.refresh()
    bob.cleave(1, [2])
    with pytest.raises(EditConflict, match=r"undo what depends on it first: operation 2 \(cleave by bob, .*\)"):
        ann.undo()
    assert len(ann.history()) == 2
    ann.undo(2)
    ann.undo(1)
    assert ann.segment_of([1, 2]).tolist() == [1, 2]


def test_an_edit_whose_supervoxels_came_back_is_not_undone_alone(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2])
    session.cleave(1, [2])
    segment = int(session.segment_of([2])[0])
    session.merge([1, segment])
    with pytest.raises(EditConflict, match=r"undo what depends on it first: operation 2 "):
        session.undo(1)


def test_undo_is_out_of_order_between_editors(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.merge([1, 2])
    bob.refresh()
    bob.merge([1, 3])
    bob.merge([4, 5])
    ann.undo()
    assert bob.segment_of([1, 2, 3, 4, 5]).tolist() == [1, 2, 1, 4, 4]


def test_without_a_number_the_last_own_edit_is_undone(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.merge([1, 2])
    ann.merge([3, 4])
    bob.merge([5, 6])
    assert ann.undo().target == 2
    assert ann.undo().target == 1
    with pytest.raises(InvalidInput, match="this session has nothing to undo"):
        ann.undo()
    assert ann.redo().target == 2


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    return draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 50), st.integers(0, 50)), max_size=40))


@pytest.mark.slow
@given(scripts())
def test_a_state_is_that_of_the_edits_that_are_done(script: list[tuple[int, int, int]]) -> None:
    labels = np.arange(1, COUNT + 1, dtype=np.uint64).reshape(1, 1, -1)
    with TemporaryDirectory() as folder:
        store = Path(folder) / "edits.sqlite"
        session = voxome.proofread(labels, store, author="ann")
        for action, first, second in script:
            try:
                perform(session, action, first, second)
            except (EditConflict, InvalidInput, NotFound):
                continue
            assert session.mapping()["segment"].tolist() == list(replay(session).values())
        versions = [session.mapping(one.number)["segment"].tolist() for one in session.history()]
        with session, voxome.proofread(labels, store, author="bob") as again:
            assert [again.mapping(one.number)["segment"].tolist() for one in again.history()] == versions
            assert np.array_equal(again.volume[0, 0], again.mapping()["segment"])
            undo_all(session)
            assert session.mapping()["segment"].tolist() == labels.ravel().tolist()


def perform(session: Session, action: int, first: int, second: int) -> None:
    segments = np.unique(session.mapping()["segment"]).tolist()
    one, two = segments[first % len(segments)], segments[second % len(segments)]
    if action == 0:
        session.merge([one, two])
    elif action == 1:
        members = session.supervoxels(one).tolist()
        session.cleave(one, members[: 1 + second % len(members)])
    else:
        number = 1 + first % max(1, len(session.history()))
        (session.undo if action == 2 else session.redo if action == 3 else session.undo)(number)


def replay(session: Session) -> dict[int, int]:
    """Return the mapping that the edits that are done make, one after the other, without those that are undone."""
    state = {one: one for one in range(1, COUNT + 1)}
    for edit in session.history():
        if edit.target is not None or session.status(edit) == "undone":
            continue
        if edit.action == "merge":
            target, *others = edit.details["ids"]
            assert {target, *others} <= set(state.values())
            state = {one: target if segment in others else segment for one, segment in state.items()}
        else:
            cut = edit.details["supervoxels"]
            source, new = edit.segments
            assert {state[one] for one in cut} == {source}
            state |= dict.fromkeys(cut, new)
            assert source in state.values()
    return state


def undo_all(session: Session) -> None:
    """Take back every operation, the last one first."""
    for one in reversed(session.history()):
        take_back = session.redo if one.action == "undo" else session.undo
        take_back(one.target or one.number)
