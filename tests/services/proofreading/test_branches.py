"""Branches and named versions are independent, and found by name or number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from services.proofreading.conftest import LABELS

import voxome
from voxome.errors import (
    AlreadyExists,
    EditConflict,
    InvalidInput,
    InvalidUri,
    NotFound,
    UnknownName,
)
from voxome.services.proofreading.session import Session

Open = Callable[..., Session]


def test_an_edit_is_based_on_a_version_of_its_branch(open_session: Open) -> None:
    ann, bob = open_session("ann"), open_session("bob")
    ann.merge([1, 2])
    ann.create_branch("trial").merge([5, 6])
    for version in (2, "trial"):
        with pytest.raises(InvalidInput, match="not in the history of the branch 'main'"):
            bob.merge([1, 3], version=version)
    with pytest.raises(NotFound, match="no version 1000000"):
        bob.merge([1, 3], version=10**6)
    with pytest.raises(EditConflict):
        bob.merge([1, 3], version=0)
    assert bob.merge([1, 3], version=np.int64(1)).details["based_on"] == 1
    assert bob.merge([1, 4], version="main").details["based_on"] == 3


@pytest.mark.parametrize("version", [True, -5, 1.0, [1], b"main"])
def test_anything_but_a_version_is_refused(open_session: Open, tmp_path: Path, version: Any) -> None:
    session = open_session()
    session.merge([1, 2])
    for call in (
        lambda: session.merge([3, 4], version=version),
        lambda: session.segment_of([2], version),
        lambda: session.changes(version),
        lambda: session.changes(0, version),
        lambda: session.create_branch("other", version),
        lambda: session.name_version("first", version),
        lambda: session.export(tmp_path / "out.zarr", version=version),
        lambda: session.export(tmp_path / "out.zarr", since=version),
    ):
        with pytest.raises(InvalidInput, match="expected the number of an operation"):
            call()
    assert len(session.history()) == 1


@pytest.mark.slow
def test_versions_never_mix(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2])
    session.merge([3, 4])
    session.cleave(1, [2])
    expected = [{2: 2, 4: 4}, {2: 1, 4: 4}, {2: 1, 4: 3}, {2: 33, 4: 3}]
    for version, segments in enumerate(expected):
        assert session.segment_of(list(segments), version).tolist() == list(segments.values())
        table = session.mapping(version)
        assert table["supervoxel"].tolist() == list(range(1, 33))
        volume = voxome.open(f"{session.uri}&version={version}")
        assert np.array_equal(volume[...], table["segment"][LABELS.astype(int) - 1])
        for segment in np.unique(table["segment"]).tolist():
            members = session.supervoxels(segment, version)
            assert (session.segment_of(members, version) == segment).all()
    assert session.segment_of([99, 1]).tolist() == [0, 1]


@pytest.mark.slow
def test_branches_are_independent(labels_uri: str, store: str) -> None:
    session = voxome.proofread(labels_uri, store, author="ann")
    session.merge([1, 2])
    session.merge([3, 4])
    other = session.create_branch("other", 1)
    assert other.segment_of([2, 4]).tolist() == [1, 4]
    other.merge([5, 1])
    assert session.segment_of([1, 2]).tolist() == [1, 1]
    assert voxome.open(f"proofread://{store}?branch=other")[0, 0, 0] == 5
    assert [one.number for one in other.history()] == [1, 3]
    assert session.on("other").segment_of([1]).tolist() == [5]
    other.undo(1 + 2)
    with pytest.raises(NotFound, match="this branch has no operation 2"):
        other.undo(2)
    other.undo(1)
    assert session.segment_of([2]).tolist() == [1]
    assert other.segment_of([2]).tolist() == [2]
    assert list(session.branches) == ["main", "other"]


def test_versions_have_names(open_session: Open) -> None:
    session = open_session()
    session.merge([1, 2])
    session.name_version("first")
    session.merge([1, 3])
    assert voxome.open(f"{session.uri}&version=first")[...].max() == 32
    assert session.segment_of([2, 3], "first").tolist() == [1, 3]
    for name in ("first", "main"):
        with pytest.raises(AlreadyExists, match="choose another name"):
            session.name_version(name)
    with pytest.raises(UnknownName, match="did you mean 'first'"):
        session.segment_of([1], "frist")
    with pytest.raises(NotFound, match="no version 7"):
        session.segment_of([1], 7)
    with pytest.raises(InvalidInput, match="not digits alone"):
        session.create_branch("12")
    assert session.create_branch("b", "first").segment_of([3]).tolist() == [3]


@pytest.mark.parametrize("version", ["\u00b2", "\u0661"])
def test_a_version_in_an_address_is_a_number_of_plain_digits_or_a_name(open_session: Open, version: str) -> None:
    session = open_session()
    with pytest.raises(UnknownName, match=f"version {version!r}"):
        voxome.open(session.reveal_uri(version))
    with pytest.raises(InvalidUri, match="is not a number"):
        voxome.open(f"{session.store.uri}?level={version}")
