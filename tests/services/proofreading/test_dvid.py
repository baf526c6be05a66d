"""Proofreading on a DVID server, behind the same object."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from scipy import ndimage
from standins.dvid import serving

import voxome
from voxome.errors import EditConflict, InvalidInput, InvalidUri, NotFound, ReadOnly, UnknownName, UnsupportedFormat
from voxome.services.proofreading.dvid import DvidSession

pytestmark = pytest.mark.slow

ADMIN = "test-admin"


def dumbbell() -> np.ndarray:
    """Return two balls joined by a bridge, of supervoxels 5 and 6, and another object, 9."""
    z, y, x = np.mgrid[:32, :32, :96]
    balls = [(z - 16) ** 2 + (y - 16) ** 2 + (x - at) ** 2 < 10**2 for at in (16, 78)]
    labels = np.where(balls[0] | balls[1] | (((z - 16) ** 2 + (y - 16) ** 2 < 9) & (x > 16) & (x < 78)), 5, 0)
    labels[(labels == 5) & (x >= 76)] = 6
    labels[:2] = 9
    return labels.astype(np.uint64)


A, B = [[16, 16, 12]], [[16, 16, 80]]


@pytest.fixture
def address() -> Iterator[str]:
    """Address of the labelmap on a stand-in server."""
    with serving(ADMIN) as url:
        root = httpx.post(f"{url}/api/repos", params={"admintoken": ADMIN}, json={"alias": "test"}).json()["root"]
        sent = {"typename": "labelmap", "dataname": "segmentation", "BlockSize": "32,32,32", "VoxelSize": "8,8,8"}
        httpx.post(f"{url}/api/repo/{root}/instance", json=sent).raise_for_status()
        raw = f"{url}/api/node/{root}/segmentation/raw/0_1_2/96_32_32/0_0_0"
        httpx.post(raw, content=dumbbell().tobytes()).raise_for_status()
        yield f"dvid://{url.partition('://')[2]}/{root}/segmentation"


@pytest.fixture
def session(address: str) -> DvidSession:
    """Session of ann."""
    opened = voxome.proofread(address, author="ann")
    assert isinstance(opened, DvidSession)
    return opened


def test_merge_and_cleave_have_the_same_results_as_in_a_store(session: DvidSession) -> None:
    assert session.merge([5, 6, 9]).segments == [5]
    assert session.segment_of([5, 6, 9]).tolist() == [5, 5, 5]
    kept, new = session.cleave(5, [9]).segments
    assert kept == 5
    assert session.supervoxels(new).tolist() == [9]
    assert session.segments_at([[0, 0, 0], [16, 16, 80]]).tolist() == [new, 5]
    labels = dumbbell()
    expected = np.select([labels == 9, labels > 0], [new, 5]).astype(np.uint64)
    assert np.array_equal(session.volume[...], expected)
    history = session.history()
    assert [(one.action, one.author) for one in history] == [("merge", "ann"), ("cleave", "ann")]
    assert history[0].number < history[1].number


def test_an_edit_knows_its_author_and_time_without_reading_the_whole_history(
    session: DvidSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(session.labels), "mutations", None)
    made = session.merge([5, 6])
    assert made.author == "ann"
    assert abs(made.time_s - time.time()) < 60


def test_arguments_are_checked_as_in_a_store(session: DvidSession) -> None:
    for edit in (
        lambda: session.merge([5, 0]),
        lambda: session.cleave(0, [5]),
        lambda: session.cleave(5, [0]),
        lambda: session.split(0, A, B),
    ):
        with pytest.raises(InvalidInput, match="0 is the background, which is no segment"):
            edit()
    with pytest.raises(InvalidInput, match=r"id is 5\.0; expected ids"):
        session.split(5.0, A, B)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="supervoxel 5 occurs more than once"):
        session.cleave(5, [5, 5])
    with pytest.raises(InvalidInput, match=r"point \(16, 16, 12\) is on both sides"):
        session.split(5, A, A)
    with pytest.raises(UnknownName, match="Unknown way 'cut'"):
        session.split(5, A, B, way="cut")  # type: ignore[arg-type]
    assert session.segment_of([0, 5]).tolist() == [0, 5]
    assert session.history() == []


def test_a_split_divides_supervoxels(session: DvidSession) -> None:
    session.merge([5, 6])
    kept, new = session.split(5, A, B).segments
    voxels = session.volume[...]
    assert (voxels[tuple(A[0])], voxels[tuple(B[0])]) == (kept, new)
    assert np.array_equal(np.isin(voxels, [kept, new]), np.isin(dumbbell(), [5, 6]))
    for segment in (kept, new):
        assert ndimage.label(voxels == segment)[1] == 1
    assert 6 in session.supervoxels(new).tolist()
    assert session.segment_of([5]).tolist() == [0]
    with pytest.raises(InvalidInput, match="is in segment"):
        session.split(kept, A, B)
    with pytest.raises(InvalidInput, match="no graph of supervoxels"):
        session.split(kept, A, [[16, 16, 20]], way="graph")


@pytest.mark.parametrize("point", [[16, 16, 12], [16, 16, 60]])
def test_a_point_outside_the_box_of_a_split_is_refused(session: DvidSession, point: list[int]) -> None:
    with pytest.raises(InvalidInput, match=r"point \(16, 16, \d+\) is outside box 0:32,0:32,20:50"):
        session.split(5, [point], [[16, 16, 40]], box="0:32,0:32,20:50")
    assert session.history() == []
    kept, new = session.split(5, [[16, 16, 24]], [[16, 16, 40]], box="0:32,0:32,20:50").segments
    assert session.segments_at([[16, 16, 12], [16, 16, 24], [16, 16, 40]]).tolist() == [kept, kept, new]


def test_an_edit_based_on_an_old_version_is_a_conflict(session: DvidSession, address: str) -> None:
    bob = voxome.proofread(address, author="bob")
    session.merge([5, 6])
    session.merge([5, 9])
    with pytest.raises(EditConflict, match=r"segment 5 has changed since version .*: by ann"):
        bob.cleave(5, [9])
    bob.refresh()
    bob.cleave(5, [9])
    assert [one.author for one in session.history()] == ["ann", "ann", "bob"]


def test_versions_are_committed_branched_and_compared(session: DvidSession) -> None:
    first = session.version
    session.merge([5, 6])
    work = session.commit("first pass")
    with pytest.raises(ReadOnly):
        session.merge([5, 9])
    work.merge([5, 9])
    assert work.segment_of([9]).tolist() == [5]
    assert work.segment_of([9], first).tolist() == [9]
    table = work.changes(first)
    assert {name: column.tolist() for name, column in table.items()} == {"supervoxel": [9], "before": [9], "after": [5]}
    side = session.create_branch("side")
    assert side.segment_of([9]).tolist() == [9]
    assert session.branches == ["master", "side"]
    assert session.on("side").version == side.version
    with pytest.raises(UnknownName, match="Unknown branch 'sid'"):
        session.on("sid")
    assert set(session.versions) == {first, work.version, side.version}


def test_versions_are_merged_and_resolved(session: DvidSession) -> None:
    work = session.commit()
    left = work
    left.merge([5, 6])
    right = session.create_branch("right")
    right.merge([9, 6])
    for one in (left, right):
        one.node.commit("")
    merged = left.merge_versions([right.version], "both")
    assert set(merged.node.info.parents) == {left.version, right.version}
    resolved = right.resolve_versions([left.version])
    assert resolved.segment_of([6]).tolist() == [9]


def test_the_metadata_are_reloaded_by_an_administrator(session: DvidSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_DVID_HOST", session.node.url)
    monkeypatch.setenv("VOXOME_DVID_ADMIN_TOKEN", ADMIN)
    session.reload()


def test_changed_chunks_are_exported(session: DvidSession, tmp_path) -> None:
    first = session.version
    uri = f"zarr://{tmp_path}/out.zarr"
    session.commit()
    assert session.export(uri, version=first, chunk=(32, 32, 32)) > 0
    work = session.on("master")
    work.merge([5, 6])
    assert work.export(uri, since=first) == 1
    assert np.array_equal(voxome.open(uri)[...], work.volume[...])
    made = voxome.provenance(uri)[-1]
    assert (made.service, made.parameters["version"], made.parameters["since"]) == ("proofread", work.version, first)
    work = work.commit()
    work.merge([5, 9])
    with pytest.raises(InvalidInput, match=rf"has version {made.parameters['version']} of the segments, not version"):
        work.export(uri, since=first)
    assert work.export(uri, since=made.parameters["version"]) > 0
    assert np.array_equal(voxome.open(uri)[...], work.volume[...])


def test_what_dvid_does_not_have_is_refused(session: DvidSession, address: str) -> None:
    with pytest.raises(UnsupportedFormat, match="DVID has no undo; cleave"):
        session.undo()
    with pytest.raises(InvalidInput, match="store is of volumes with a store beside them"):
        voxome.proofread(address, "edits.sqlite")
    with pytest.raises(InvalidUri, match="does not name an instance"):
        voxome.proofread(address.rpartition("/")[0])
    with pytest.raises(InvalidInput, match="is missing; expected a labelmap"):
        voxome.proofread(f"{address}s")
    with pytest.raises(NotFound, match="no body 77"):
        session.merge([5, 77])
    with pytest.raises(InvalidInput, match="occurs more than once; nothing has changed"):
        session.merge([5, 5])
