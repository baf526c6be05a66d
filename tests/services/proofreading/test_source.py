"""Segments as a volume."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import voxome
from voxome.errors import EditConflict, InvalidInput, NotFound, ReadOnly, UnknownName
from voxome.geometry import Box
from voxome.services.proofreading.lookup import DenseLookup, SparseLookup, UnknownId, make_lookup
from voxome.services.proofreading.mapping import Supervoxels
from voxome.services.proofreading.session import Session
from voxome.services.proofreading.source import SegmentsSource

IDS = st.integers(1, 40) | st.integers(2**64 - 40, 2**64 - 1)


@pytest.mark.slow
@given(
    st.lists(IDS, min_size=1, max_size=20, unique=True),
    st.booleans(),
    st.dictionaries(IDS, IDS, max_size=10),
    st.integers(0, 99),
)
def test_look_ups_replace_ids_as_a_dictionary_does(
    ids: list[int], mapped: bool, pairs: dict[int, int], seed: int
) -> None:
    sorted_ids = np.array(sorted(ids), np.uint64)
    choose = np.random.default_rng(seed)
    segments = choose.choice(sorted_ids, len(ids)) if mapped else None
    start = Supervoxels(sorted_ids, segments)
    table = dict(zip(sorted_ids.tolist(), (sorted_ids if segments is None else segments).tolist(), strict=True))
    lookups = [make_lookup(start)]
    if max(ids) < 1000:
        pairs = {id % 1000 + 1: segment for id, segment in pairs.items()}
        lookups.append(SparseLookup(sorted_ids, sorted_ids if segments is None else segments))
        assert isinstance(lookups[0], DenseLookup)
    voxels = choose.choice(np.array([0, *ids, *pairs], np.uint64), (2, 130, 150))
    for lookup in lookups:
        lookup = lookup.updated(pairs)
        replaced = voxels.copy()
        lookup.replace(replaced)
        expected = table | pairs
        assert replaced.ravel().tolist() == [expected.get(one, one) for one in voxels.ravel().tolist()]
        unknown = max(expected) + 1 if max(expected) < 2**64 - 1 else min(set(range(1, 99)) - expected.keys())
        with pytest.raises(UnknownId) as caught:
            lookup.replace(np.array([0, unknown], np.uint64))
        assert caught.value.id == unknown


@pytest.mark.slow
def test_ids_that_share_a_place_of_the_cache_keep_their_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.services.proofreading.lookup._CACHE_BITS", 2)
    choose = np.random.default_rng(0)
    ids = np.unique(choose.integers(1, 2**63, 200).astype(np.uint64))
    table = dict(zip(ids.tolist(), choose.permutation(ids).tolist(), strict=True))
    lookup = SparseLookup(ids, np.array(list(table.values()), np.uint64))
    for step in range(5):
        voxels = choose.choice(np.array([0, *table], np.uint64), (2, 130, 150))
        expected = [table.get(one, 0) for one in voxels.ravel().tolist()]
        lookup.replace(voxels)
        assert voxels.ravel().tolist() == expected
        pairs = dict.fromkeys([*choose.choice(np.array([*table], np.uint64), 20).tolist(), 2**63 + step], step + 1)
        lookup.updated(pairs)
        table |= pairs


@pytest.mark.slow
def test_volumes_that_begin_elsewhere_are_proofread(tmp_path: Path) -> None:
    labels = np.zeros((10, 70, 80), np.uint16)
    labels[2:8, 2:68, 2:78] = 7
    labels[2:8, 30:40, 38:42] = 0
    spec = voxome.VolumeSpec.of(labels.shape, "uint16", kind="labels", start=(5, 60, 1000), chunk=(8, 32, 32))
    voxome.create(f"zarr://{tmp_path}/labels.zarr", spec)[...] = labels
    session = voxome.proofread(tmp_path / "labels.zarr", tmp_path / "edits.sqlite", author="ann")
    kept, new = session.split(7, [[10, 95, 1010]], [[10, 95, 1070]]).segments
    volume = voxome.open(session.uri, expect=voxome.Volume)
    assert volume.domain == Box((5, 60, 1000), (15, 130, 1080))
    voxels = volume[...]
    assert np.array_equal(voxels > 0, labels > 0)
    assert (voxels[5, 35, 10], voxels[5, 35, 70]) == (kept, new)
    part = volume.cutout("6:14,70:125,1030:1079")
    assert np.array_equal(part, voxels[1:9, 10:65, 30:79])
    out = np.empty((2, 3, 4), np.uint64)
    volume.source.read(Box((10, 90, 1040), (12, 93, 1044)), out=out)
    assert np.array_equal(out, voxels[5:7, 30:33, 40:44])
    assert session.segments_at([[10, 95, 1070]]).tolist() == [new]
    session.export(f"zarr://{tmp_path}/out.zarr")
    assert np.array_equal(voxome.open(f"zarr://{tmp_path}/out.zarr")[...], voxels)


def test_segments_are_only_read(tmp_path: Path) -> None:
    labels = np.arange(8, dtype=np.uint64).reshape(2, 2, 2)
    session = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann")
    with pytest.raises(ReadOnly, match=r"edited by voxome\.proofread"):
        session.volume[0] = 1
    with pytest.raises(NotFound, match="is not a proofreading store"):
        voxome.open(f"proofread://{tmp_path}/none.sqlite")
    with pytest.raises(UnknownName, match="Unknown option 'brunch'"):
        voxome.open(f"proofread://{tmp_path}/edits.sqlite?brunch=main")


def test_new_ids_far_above_those_of_the_volume_are_looked_up(tmp_path: Path) -> None:
    labels = np.zeros((4, 4, 40), np.uint64)
    labels[1:3, 1:3, 2:38], labels[0, 0, 0] = 1, 2
    start = ([1, 2], [10**12, 7])
    session = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann", mapping=start)
    before = session.volume[...]
    session.split(10**12, [[1, 1, 3]], [[1, 1, 36]], way="voxels")
    assert np.unique(session.volume[...]).tolist() == [0, 7, 10**12, 10**12 + 1]
    session.undo()
    assert np.array_equal(session.volume[...], before)


@pytest.mark.parametrize("id", [3, 2000, 5_000_000, 2**63 + 5])
def test_supervoxels_that_changed_after_the_store_was_made_are_noticed(tmp_path: Path, id: int) -> None:
    uri = f"zarr://{tmp_path}/labels.zarr"
    voxome.put(np.repeat(np.array([1, 2], np.uint64), 32).reshape(4, 4, 4), uri, kind="labels")
    session = voxome.proofread(uri, tmp_path / "edits.sqlite", author="ann")
    volume = session.volume
    voxome.open(uri, mode="r+")[0:1, 0:1, 0:1] = np.uint64(id)
    with pytest.raises(InvalidInput, match=rf"has the id {id}, .* have changed since the store"):
        volume[...]
    assert (volume[2:] == 2).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_version_stays_as_it_was_on_every_branch(tmp_path: Path, seed: int) -> None:
    labels = np.repeat(np.arange(1, 7, dtype=np.uint64), 40).reshape(1, 4, 60)
    main = voxome.proofread(labels, tmp_path / "edits.sqlite", author="ann")
    assert isinstance(main, Session)
    choose, sessions = random.Random(seed), [main]
    seen: dict[int, NDArray[np.uint64]] = {0: labels}
    for step in range(80):
        session = choose.choice(sessions)
        if step in (15, 30):
            version = choose.choice(session.history()).number
            sessions.append(session.create_branch(f"b{step}", version))
            assert np.array_equal(sessions[-1].volume[...], seen[version])
            continue
        if (number := edit_at_random(session, choose)) is not None:
            seen[number] = session.volume[...]
            assert np.array_equal(seen[number] > 0, labels > 0)
    for number, voxels in seen.items():
        assert np.array_equal(SegmentsSource(main.store, "main", number).read(main.store.domain), voxels)
    for session in sessions:
        assert np.array_equal(
            voxome.proofread(labels, main.store.database.address, branch=session.branch).volume[...],
            session.volume[...],
        )
        table = session.mapping()
        members = [session.supervoxels(one).tolist() for one in np.unique(table["segment"]).tolist()]
        assert sorted(one for group in members for one in group) == table["supervoxel"].tolist()
        for one in reversed(session.history()):
            if one.target is None and session.status(one) == "done":
                session.undo(one)
        assert np.array_equal(session.volume[...], labels)
    ids = {int(one) for voxels in seen.values() for one in np.unique(voxels)}
    assert len(ids) > 15


def edit_at_random(session: Session, choose: random.Random) -> int | None:
    segments = np.unique(session.volume[...]).tolist()
    action = choose.choice(["merge", "cleave", "split", "split", "undo", "redo"])
    session.refresh()
    try:
        if action == "merge" and len(segments) > 1:
            return session.merge(choose.sample(segments, 2)).number
        if action == "split":
            segment = choose.choice(segments)
            points = choose.sample(np.argwhere(session.volume[...] == segment).tolist(), 2)
            return session.split(segment, points[:1], points[1:]).number
        if action in ("undo", "redo"):
            number = choose.choice(session.history()).number
            return (session.undo if action == "undo" else session.redo)(number).number
        segment = choose.choice(segments)
        return session.cleave(segment, session.supervoxels(segment)[:1]).number
    except (EditConflict, InvalidInput, NotFound, IndexError, ValueError):
        return None
