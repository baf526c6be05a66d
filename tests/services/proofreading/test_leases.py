"""Locked segments are edited by the session that has the lock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import voxome
from voxome.errors import (
    EditConflict,
    InvalidInput,
)
from voxome.services.proofreading.session import Session

Open = Callable[..., Session]


@pytest.mark.slow
def test_a_locked_segment_is_edited_by_its_session_only(labels_uri: str, store: str) -> None:
    ann, bob = (voxome.proofread(labels_uri, store, author=author) for author in ("ann", "bob"))
    with ann.lock(1, 2):
        for edit in (lambda: bob.merge([3, 1]), lambda: bob.lock(2).__enter__()):
            with pytest.raises(EditConflict, match=r"segment \d is locked by ann, until .* at the latest"):
                edit()
        ann.merge([1, 2])
        with pytest.raises(EditConflict, match="locked by ann"):
            bob.undo(1)
    bob.refresh()
    bob.merge([3, 1])


def test_a_name_is_undone_and_redone_by_who_has_the_lock_of_its_segment(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    number = ann.name(2, "soma").number
    ann.merge([1, 2])  # the name moves with its supervoxel
    for toggle in (ann.undo, ann.redo):
        with bob.lock(1), pytest.raises(EditConflict, match="segment 1 is locked by bob"):
            toggle(number)
        with bob.lock(3):
            toggle(number)
    assert ann.names(1) == ["soma"]


@pytest.mark.slow
def test_a_lock_that_nobody_releases_ends(labels_uri: str, store: str) -> None:
    ann, bob = (voxome.proofread(labels_uri, store, author=author) for author in ("ann", "bob"))
    lock = ann.lock(1, seconds=3)
    lock.__enter__()
    with pytest.raises(EditConflict):
        bob.merge([1, 2])
    time.sleep(3.1)
    bob.merge([1, 2])
    with pytest.raises(EditConflict, match="the lock of segment 1 ended before its block"):
        lock.__exit__(None, None, None)


def test_the_error_of_a_block_is_not_hidden_by_the_end_of_its_lock(open_session: Open) -> None:
    session = open_session()
    with pytest.raises(KeyError), session.lock(1, seconds=1e-6):
        raise KeyError
    with session.lock(1):
        assert session.merge([1, 2]).segments == [1]


def test_a_segment_stays_locked_until_the_last_block_ends(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    with ann.lock(4, 5):
        with ann.lock(4, 4, seconds=1e-6):
            pass
        with pytest.raises(EditConflict, match="segment 4 is locked by ann"):
            bob.merge([4, 6])
    bob.merge([4, 6])
    with pytest.raises(InvalidInput, match="no segments to lock"), ann.lock():
        pass
