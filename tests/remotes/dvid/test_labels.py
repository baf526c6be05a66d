"""Labels against recorded responses of a real server."""

from __future__ import annotations

import numpy as np
import pytest
from remotes.dvid.recorded import EDITED, ROOT, body, exchanges, replay_server, response_body

from voxome.errors import InvalidInput, NotFound
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.edits import CleaveResult, SplitResult
from voxome.remotes.dvid.labels import Labels
from voxome.remotes.dvid.node import DvidApi, Node
from voxome.remotes.dvid.sparse import decode_rles, encode_rles

POINTS_XYZ = [[16, 7, 60], [102, 38, 40], [15, 36, 43], [59, 111, 57], [104, 116, 37], [38, 0, 49], [43, 63, 53]]


@pytest.fixture
def before(recorded_node):
    return Labels(recorded_node, "segmentation")


@pytest.fixture
def after(edited_node):
    return Labels(edited_node, "segmentation")


@pytest.fixture
def voxels(recorded):
    return np.frombuffer(response_body(recorded, "segmentation/raw/0_1_2/128_128_64/0_0_0"), "<u8").reshape(
        64, 128, 128
    )


@pytest.mark.slow
def test_labels_are_looked_up_at_points(before, voxels):
    points = np.array([*POINTS_XYZ, [35, 105, 14]])[:, ::-1]
    expected = voxels[tuple(points.T)]
    assert np.array_equal(before.at(points), expected)
    assert np.array_equal(before.at(points, supervoxels=True), expected)
    assert before.at(points // 2, scale=1).tolist() == [1039, 1006, 1102, 1002, 1110, 1039, 1018, 1006]
    assert before.at([]).dtype == np.uint64
    with pytest.raises(InvalidInput, match="three integers"):
        before.at([[1.5, 2, 3]])


def test_sizes_and_supervoxels_are_looked_up(before):
    assert before.sizes([1004, 1115, 1010, 99999999]).tolist() == [95760, 79895, 75477, 0]
    assert before.sizes([1004, 1115], supervoxels=True).tolist() == [95760, 79895]
    assert before.size(1004) == before.size(1004, supervoxel=True) == 95760
    assert before.supervoxels(1004).tolist() == [1004]
    assert before.bodies_of([1004, 1115, 99999999]).tolist() == [1004, 1115, 0]
    rows = before.supervoxel_sizes(1004)
    assert (rows["supervoxel"].tolist(), rows["voxels"].tolist()) == ([1004], [95760])
    assert before.bounding_box(1004) == Box((0, 0, 0), (64, 128, 128))
    assert before.max_label == 1135
    assert before.next_label == 1136


def test_bodies_are_listed(before):
    assert before.all_bodies().tolist() == list(range(1001, 1136))
    assert before.index_version(1004) == ROOT


def test_an_empty_instance_has_no_labels(recorded):
    with replay_server(recorded) as url, pytest.raises(NotFound, match="segmentation has no labels yet"):
        _ = Labels(Node(DvidApi(url), ROOT), "segmentation").max_label


@pytest.mark.parametrize(
    "request_labels",
    [
        lambda labels: labels.size(99999999),
        lambda labels: labels.supervoxels(99999999),
        lambda labels: labels.index(99999999),
    ],
)
def test_missing_labels_are_named(before, request_labels):
    with pytest.raises(NotFound, match=f"no body 99999999 in segmentation of version {ROOT}"):
        request_labels(before)


def test_label_0_is_not_requested(before):
    for look_up in (before.size, before.supervoxels, before.index, before.runs, before.blocks, before.last_edit):
        with pytest.raises(InvalidInput, match="background"):
            look_up(0)
    with pytest.raises(InvalidInput, match="integers"):
        before.size(-1)


def test_sparse_volumes_agree_with_voxels(before, voxels, recorded):
    whole = Box.of_shape(voxels.shape)
    runs = before.runs(1115)
    assert np.array_equal(runs.mask(whole), voxels == 1115)
    assert before.blocks(1115).count == 4
    assert list(before.blocks_between(1001, 1005)) == [1001, 1002, 1003, 1004, 1005]
    coarser = np.frombuffer(response_body(recorded, "/raw/0_1_2/64_64_32/0_0_0?scale=1"), "<u8").reshape(32, 64, 64)
    assert np.array_equal(before.runs(1115, scale=1).mask(Box.of_shape(coarser.shape)), coarser == 1115)


def test_the_index_agrees_with_voxels(before, voxels):
    index = before.index(1040)
    assert index.voxels == (voxels == 1040).sum()
    found = before.indices([1004, 1040, 99999999])
    assert sorted(found) == [1004, 1040]
    assert found[1004].voxels == 95760


def test_look_ups_after_edits_are_parsed(after):
    assert after.bodies_of([1004, 1115, 1010, 1006]).tolist() == [1004, 1004, 1004, 1006]
    assert after.supervoxels(1004).tolist() == [1004, 1010, 1115]
    rows = after.mappings()
    exchanges = dict(zip(rows["supervoxel"].tolist(), rows["body"].tolist(), strict=True))
    assert exchanges == {
        70600: 0,
        7000000: 0,
        70601: 1006,
        70602: 1006,
        1006: 0,
        1010: 1004,
        1115: 70600,
        1039: 7000000,
    }
    assert after.reserve(5) == range(7000004, 7000009)


def test_the_history_is_parsed(after):
    merge, cleave, split, renumber = after.mutations(user="ana")
    assert (merge.action, merge.mutation_id, merge.user, merge.app, merge.uuid) == (
        "merge",
        1000100013,
        "ana",
        "voxome",
        EDITED,
    )
    assert merge.details == {"Target": 1004, "Labels": [1115, 1010]}
    assert cleave.details["CleavedLabel"] == 70600
    assert split.action == "split-supervoxel"
    assert renumber.details["NewLabel"] == 7000000
    assert after.mutations() == after.mutations_between(ROOT, EDITED)
    assert [mutation.action for mutation in after.history(1004, ROOT, EDITED)] == ["merge", "cleave"]
    assert after.splits() == {EDITED: [(1000100017, 1006, 70602, 70601)]}
    last = after.last_edit(1004)
    assert (last.mutation_id, last.user, last.app) == (1000100013, "ana", "voxome")


class _RecordingLabels(Labels):
    """Labels with known bodies and supervoxels that record the requests for edits."""

    def __init__(self, node, bodies, runs=None):
        super().__init__(node, "segmentation")
        self.bodies, self.sent, self._runs = bodies, [], runs

    def supervoxels(self, label):
        if label not in self.bodies:
            raise NotFound(f"no body {label}")
        return np.array(self.bodies[label], np.uint64)

    def sizes(self, labels, *, supervoxels=False):
        known = {s for members in self.bodies.values() for s in members} if supervoxels else set(self.bodies)
        return np.array([10 * (int(label) in known) for label in labels])

    def runs(self, label, **_):
        return self._runs

    def _post(self, *parts, **options):
        self.sent.append((parts, options))
        raise InvalidInput("sent")


BODIES = {1: [1, 2, 3], 4: [4], 5: [5, 6]}
SUPERVOXEL = Runs.from_table([[0, 0, 0, 4], [0, 1, 2, 5]])


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda labels: labels.merge(1, []), InvalidInput, "no bodies to merge"),
        (lambda labels: labels.merge(1, [4, 1]), InvalidInput, "label 1 occurs more than once"),
        (lambda labels: labels.merge(1, [4, 4]), InvalidInput, "label 4 occurs more than once"),
        (lambda labels: labels.merge(1, [4, 0]), InvalidInput, "background"),
        (lambda labels: labels.merge(1, [2, 4, 9]), NotFound, "no body 2, 9 in segmentation"),
        (lambda labels: labels.cleave(1, []), InvalidInput, "no supervoxels to cleave"),
        (lambda labels: labels.cleave(1, [2, 2]), InvalidInput, "label 2 occurs more than once"),
        (lambda labels: labels.cleave(1, [2, 5]), InvalidInput, "body 1 does not contain supervoxels 5, only 1, 2, 3"),
        (lambda labels: labels.cleave(1, [3, 2, 1]), InvalidInput, "all supervoxels of body 1"),
        (lambda labels: labels.cleave(9, [1]), NotFound, "no body 9"),
        (lambda labels: labels.renumber({}), InvalidInput, "no bodies to renumber"),
        (lambda labels: labels.renumber({1: 9, 4: 9}), InvalidInput, "label 9 occurs more than once"),
        (lambda labels: labels.renumber({1: 4}), InvalidInput, "already in use: 4"),
        (lambda labels: labels.renumber({1: 3}), InvalidInput, "already in use: 3"),
        (lambda labels: labels.renumber({9: 10, 8: 11}), NotFound, "no body 9, 8"),
        (lambda labels: labels.split_supervoxel(1, Runs.from_table([])), InvalidInput, "0 of 7 voxels"),
        (lambda labels: labels.split_supervoxel(1, SUPERVOXEL), InvalidInput, "7 of 7 voxels"),
        (
            lambda labels: labels.split_supervoxel(1, Runs.from_table([[0, 1, 1, 4]])),
            InvalidInput,
            r"1 voxels, from \[0, 1, 1\] on, are outside supervoxel 1",
        ),
    ],
)
def test_edits_are_checked_before_they_are_sent(recorded_node, edit, error, message):
    labels = _RecordingLabels(recorded_node, BODIES, SUPERVOXEL)
    with pytest.raises(error, match=message):
        edit(labels)
    assert labels.sent == []


def test_edits_are_sent_as_recorded(after, monkeypatch):
    monkeypatch.setattr(after, "_require_bodies", lambda _: None)
    assert after.merge(1004, [1115, 1010]) == 1000100013
    assert after.cleave(1004, [1115]) == CleaveResult(70600, 1000100016)
    sizes = lambda labels, supervoxels=False: np.zeros(len(list(labels)))  # noqa: E731
    monkeypatch.setattr(after, "sizes", sizes)
    after.renumber({1039: 7000000})


def test_a_split_is_sent_as_recorded(after, recorded, monkeypatch):
    sent = next(p["request"] for p in exchanges(recorded) if "/split-supervoxel/1006?" in p["request"]["path"])
    wire = body(recorded, sent["body"])
    part = decode_rles(wire, "part")
    assert sorted(zip(*[iter(encode_rles(part)[12:])] * 16, strict=True)) == sorted(
        zip(*[iter(wire[12:])] * 16, strict=True)
    )
    monkeypatch.setattr("voxome.remotes.dvid.edits.encode_rles", lambda _: wire)
    whole = Runs.from_table(np.concatenate([part.table, [[9999, 0, 0, 1]]]))
    monkeypatch.setattr(after, "runs", lambda *_, **__: whole)
    assert after.split_supervoxel(1006, part) == SplitResult(70601, 70602, 1000100017)
