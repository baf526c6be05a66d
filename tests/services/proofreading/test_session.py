"""Edits of a session, and their history."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from services.proofreading.conftest import LABELS, renumbered

import voxome
from voxome.errors import (
    EditConflict,
    InvalidInput,
    NotFound,
    StoreError,
)
from voxome.services.proofreading import state
from voxome.services.proofreading.session import Session

Open = Callable[..., Session]


@pytest.mark.slow
def test_edits_are_seen_by_all_readers_at_once(labels_uri: str, store: str) -> None:
    session = voxome.proofread(labels_uri, store, author="ann")
    reader = voxome.open(f"proofread://{store}")
    assert np.array_equal(reader[...], LABELS)
    session.merge([1, 2])
    assert np.array_equal(reader[...], renumbered({2: 1}))
    assert session.cleave(1, [1]).segments == [1, 33]
    assert np.array_equal(reader[...], renumbered({1: 33, 2: 1}))
    assert reader.dtype == np.uint64
    assert reader.ids().tolist() == [1, *range(3, 34)]


@pytest.mark.slow
def test_the_history_has_authors_and_times_in_one_order(labels_uri: str, store: str) -> None:
    ann, bob = (voxome.proofread(labels_uri, store, author=author) for author in ("ann", "bob"))
    ann.merge([1, 2])
    bob.merge([3, 4])
    ann.undo()
    history = bob.history()
    assert [(one.number, one.action, one.author, one.target) for one in history] == [
        (1, "merge", "ann", None),
        (2, "merge", "bob", None),
        (3, "undo", "ann", 1),
    ]
    assert [bob.status(one) for one in history] == ["undone", "done", "done"]
    assert [one.time_s for one in history] == sorted(one.time_s for one in history)
    assert history[0].details["ids"] == [1, 2]


@pytest.mark.slow
def test_a_session_that_is_opened_again_has_the_same_state(open_session: Open) -> None:
    first = open_session()
    first.merge([5, 6, 7])
    first.cleave(5, [6])
    first.undo(1 + 1)
    assert_same_mapping(open_session("bob"), first)


def test_merging_a_segment_with_itself_changes_nothing_and_says_so(open_session: Open) -> None:
    session = open_session()
    with pytest.raises(InvalidInput, match="segment 4 occurs more than once; nothing has changed"):
        session.merge([4, 4])
    with pytest.raises(InvalidInput, match="two or more"):
        session.merge([4])
    assert session.history() == []


@pytest.mark.parametrize("id", [-1, 2**64, 1.5, "1", None])
def test_anything_but_ids_is_refused(open_session: Open, id: Any) -> None:
    session = open_session()
    with pytest.raises(InvalidInput, match="expected ids, whole numbers from 1"):
        session.merge([1, id])
    assert session.history() == []


def test_a_segment_that_does_not_exist_is_named(open_session: Open) -> None:
    session = open_session()
    with pytest.raises(NotFound, match=r"no segment 99 on the branch 'main'$"):
        session.merge([1, 99])
    session.merge([1, 2])
    with pytest.raises(NotFound, match=r"no segment 2 .*: operation 1 \(merge by ann, .*\) removed it"):
        session.merge([3, 2])
    with pytest.raises(NotFound, match="no segment 2"):
        session.supervoxels(2)
    assert len(session.history()) == 1


def test_a_cleave_needs_some_but_not_all_supervoxels(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2])
    cases = {"some, but not all": [[], [1, 2]], "does not contain": [[3], [1, 3]], "more than once": [[1, 1]]}
    for message, cut in ((message, cut) for message, cuts in cases.items() for cut in cuts):
        with pytest.raises(InvalidInput, match=message):
            session.cleave(1, cut)
    assert len(session.history()) == 1


@pytest.mark.slow
def test_an_edit_based_on_an_old_version_is_a_conflict(labels_uri: str, store: str) -> None:
    ann, bob = (voxome.proofread(labels_uri, store, author=author) for author in ("ann", "bob"))
    ann.merge([1, 2])
    with pytest.raises(EditConflict, match=r"segment 1 has changed since version 0: operation 1 \(merge by ann"):
        bob.merge([1, 3])
    bob.merge([4, 5])
    bob.refresh()
    bob.merge([1, 3])
    with pytest.raises(EditConflict, match="segment 1 has changed since version 1"):
        ann.merge([1, 6], version=1)
    assert [one.author for one in ann.history()] == ["ann", "bob", "bob"]


def test_the_version_of_a_session_follows_its_own_edits_until_others_edit(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.split(1, [[0, 0, 0]], [[0, 1, 7]])
    ann.merge([2, 3])
    other = ann.create_branch("other")
    other.merge([4, 5])
    assert (ann.merge([6, 7]).number, ann.version, other.version) == (4, 4, 3)
    bob.merge([8, 9])
    assert (ann.undo(4).number, ann.version, bob.version) == (6, 4, 0)
    assert (ann.refresh(), ann.merge([10, 11]).number, ann.version) == (6, 7, 7)


def test_the_address_of_a_session_shows_no_password(open_session: Open, tmp_path: Path) -> None:
    session = open_session()
    assert session.uri == session.reveal_uri() == f"proofread://{tmp_path}/edits.sqlite?branch=main"
    session.store.database.is_file = False
    session.store.database.url = sa.make_url("postgresql+pg8000://ann:s3cret@host/edits")
    assert session.uri == "proofread://postgresql+pg8000://host/edits?branch=main"
    assert session.reveal_uri() == "proofread://postgresql+pg8000://ann:s3cret@host/edits?branch=main"


def test_own_edits_are_no_conflict(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.merge([1, 2])
    bob.merge([3, 4])
    ann.merge([1, 5])
    with pytest.raises(EditConflict):
        ann.merge([1, 3])


@pytest.mark.slow
def test_new_ids_are_never_used_twice(labels_uri: str, store: str) -> None:
    session = voxome.proofread(labels_uri, store, author="ann")
    session.merge([1, 2, 3])
    ids = [session.cleave(1, [2]).segments[1]]
    session.undo()
    branch = session.create_branch("other")
    ids += [branch.cleave(1, [2]).segments[1], session.cleave(1, [3]).segments[1]]
    again = voxome.proofread(labels_uri, store, author="bob")
    ids.append(again.cleave(1, [2]).segments[1])
    assert ids == [33, 34, 35, 36]


@pytest.mark.parametrize("top", [2**64 - 1, 2**64 - 2])
def test_there_is_an_error_at_the_top_of_the_ids(tmp_path: Path, top: int) -> None:
    labels = np.array([[[1, 2, 3, top]]], np.uint64)
    session = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann")
    session.merge([top, 1, 2, 3])
    for supervoxel in range(1, 2**64 - top):
        assert session.cleave(top, [supervoxel]).segments[1] == top + supervoxel
    with pytest.raises(InvalidInput, match=r"2\*\*64 - 1 is the largest"):
        session.cleave(top, [3])
    assert session.volume[0, 0, 3] == top


def test_names_that_two_sessions_give_at_once_are_both_kept(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.name(1, "soma")
    bob.name(1, "Mi1")
    assert ann.names(1) == ["soma", "Mi1"]


@pytest.mark.slow
def test_an_edit_that_waits_for_another_writer_has_the_time_at_which_it_is_made(labels_uri: str, store: str) -> None:
    ann, bob = (voxome.proofread(labels_uri, store, author=author) for author in ("ann", "bob"))
    database = ann.store.database
    edit = threading.Thread(target=bob.merge, args=([1, 2],))
    with database.writing():
        edit.start()
        time.sleep(1)
        with database.reading() as connection:
            end = database.now_s(connection)
    edit.join()
    assert ann.history()[0].time_s >= end


def test_an_edit_that_could_not_be_flushed_is_made_and_says_so(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()

    def fail(file: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match=r"has the change, .* Input/output error; .* do not repeat it"):
            session.merge([1, 2])
    assert [one.action for one in session.history()] == ["merge"]
    assert session.merge([1, 3]).number == 2


@pytest.mark.slow
@pytest.mark.parametrize("is_edited", [False, True])
def test_who_may_only_read_a_store_reads_its_segments(is_edited: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        file, uri = Path(name) / "edits.sqlite", f"zarr://{name}/labels.zarr"
        editor = voxome.proofread(voxome.put(LABELS, uri, kind="labels"), file, author="ann")
        editor.merge([1, 2])
        assert voxome.open(file)[0, 2, 0] == 1
        if not is_edited:
            editor.close()
            assert not Path(f"{file}-wal").exists()
        with without_write_permission(Path(name)):
            reader = voxome.proofread(f"proofread://{file}", author="bob")
            assert reader.segment_of([1, 2, 3]).tolist() == [1, 1, 3]
            assert voxome.open(file)[0, 2, 0] == 1
            with pytest.raises(StoreError, match="nothing has changed: check the permissions"):
                reader.merge([3, 4])
        voxome.proofread(f"proofread://{file}", author="ann").merge([1, 3])
        assert reader.segment_of([3]).tolist() == [1]


@contextmanager
def without_write_permission(folder: Path) -> Iterator[None]:
    """Let this process write nothing in a folder; root, who may always write, becomes another user meanwhile."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    is_root = os.getuid() == 0
    if is_root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def assert_same_mapping(one: Session, other: Session) -> None:
    first, second = one.mapping(), other.mapping()
    assert np.array_equal(first["supervoxel"], second["supervoxel"])
    assert np.array_equal(first["segment"], second["segment"])


EDITS: dict[str, Callable[[Session], object]] = {
    "merge into it": lambda session: session.merge([0, 1]),
    "merge it": lambda session: session.merge(np.array([1, 0])),
    "cleave": lambda session: session.cleave(0, [1]),
    "cleave it off": lambda session: session.cleave(1, [0]),
    "split": lambda session: session.split(0, [[0, 0, 0]], [[0, 0, 1]]),
    "name": lambda session: session.name(0, "soma"),
    "names": lambda session: session.names(0),
    "supervoxels": lambda session: session.supervoxels(0),
    "lock": lambda session: session.lock(0).__enter__(),
    "suggest": lambda session: session.suggestions.add("merge", ids=[0, 1]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_background_is_no_segment(open_session: Open, edit: str) -> None:
    session = open_session()
    with pytest.raises(InvalidInput, match="0 is the background, which is no segment"):
        EDITS[edit](session)
    assert session.history() == []
    assert session.segment_of([0, 1]).tolist() == [0, 1]


@pytest.mark.parametrize("id", [True, -1, 1.0, "1", None, 2**64, [1]])
def test_anything_but_an_id_is_named(open_session: Open, id: Any) -> None:
    with pytest.raises(InvalidInput, match=re.escape(f"id is {id!r}; expected ids, whole numbers from 1")):
        open_session().cleave(id, [1])


def test_names_are_those_of_a_segment_that_exists(open_session: Open) -> None:
    session = open_session()
    session.name(2, "soma")
    session.merge([1, 2])
    assert session.names(2, 1) == session.names(1) == ["soma"]
    with pytest.raises(NotFound, match="no segment 2 in this version"):
        session.names(2)


def test_threads_that_share_a_session_take_note_of_an_edit_once(
    open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, bob = open_session("ann"), open_session("bob")
    bob.merge([1, 2])
    both, read_operation = threading.Barrier(2), state.read_operation

    def read(row: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        return read_operation(row)

    monkeypatch.setattr(state, "read_operation", read)
    in_threads(shared.refresh, shared.refresh)
    assert [one.number for one in shared.history()] == [1]


def test_an_edit_of_another_thread_accepts_no_suggestion(open_session: Open) -> None:
    session = open_session()
    number = session.suggestions.add("merge", ids=[1, 2])
    edit = threading.Thread(target=session.merge, args=([3, 4],))
    with session.accepting(number):
        edit.start()
        edit.join(0.2)
    edit.join()
    assert session.segment_of([4]).tolist() == [3]
    assert [one.number for one in session.suggestions.list()] == [number]


def in_threads(*calls: Callable[[], object]) -> None:
    """Run calls in threads, at once."""
    threads = [threading.Thread(target=one) for one in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1j, "high"])
def test_a_suggestion_has_a_finite_score(open_session: Open, score: Any) -> None:
    session = open_session()
    with pytest.raises(InvalidInput, match=r"score is .*; expected a"):
        session.suggestions.add("merge", ids=[1, 2], score=score)
    assert session.suggestions.list(None) == []


def test_a_suggestion_is_about_what_exists(open_session: Open) -> None:
    session = open_session()
    points = {"points_a": [[0, 0, 0]], "points_b": [[0, 0, 1]]}
    for message, action, arguments in [
        ("no segment 99", "merge", {"ids": [1, 99]}),
        ("no segment 99", "split", {"id": 99, **points}),
        ("no segment 99", "cleave", {"id": 99, "supervoxels": [1]}),
        ("no supervoxels 98", "cleave", {"id": 1, "supervoxels": [1, 98]}),
    ]:
        with pytest.raises(NotFound, match=message):
            session.suggestions.add(action, **arguments)
    assert session.suggestions.list(None) == []
