"""Labels on the stand-in server: look-ups before and after edits agree with numpy."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from voxome.errors import InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.geometry.runs import Runs
from voxome.remotes.dvid.labels import Labels

pytestmark = pytest.mark.slow

SHAPE = (32, 64, 64)
WHOLE = Box.of_shape(SHAPE)


@pytest.fixture
def voxels():
    """Supervoxels 10 to 15, each in several parts, and background."""
    coarse = np.random.default_rng(0).integers(9, 16, (4, 8, 8)).astype(np.uint64)
    coarse[coarse == 9] = 0
    return coarse.repeat(8, 0).repeat(8, 1).repeat(8, 2)


@pytest.fixture
def labels(node, create_instance, voxels):
    create_instance("labelmap", "segmentation", BlockSize="32,32,32", VoxelSize="8,8,40")
    url = f"{node.api.base}/api/node/{node.uuid}/segmentation/raw/0_1_2/64_64_32/0_0_0"
    httpx.post(url, content=voxels.tobytes()).raise_for_status()
    return Labels(node, "segmentation")


def _check(labels, supervoxels, bodies):
    """Check that all look-ups agree with the arrays."""
    names, sizes = np.unique(bodies[bodies > 0], return_counts=True)
    assert np.array_equal(labels.all_bodies(), names)
    assert np.array_equal(labels.sizes(names), sizes)
    rows = labels.list_bodies(start=1)
    assert np.array_equal(rows["body"], names)
    assert np.array_equal(rows["voxels"], sizes)
    points = np.random.default_rng(1).integers(0, SHAPE, (500, 3))
    assert np.array_equal(labels.at(points), bodies[tuple(points.T)])
    assert np.array_equal(labels.at(points, supervoxels=True), supervoxels[tuple(points.T)])
    for name in names.tolist():
        members = np.unique(supervoxels[bodies == name])
        assert np.array_equal(labels.supervoxels(name), members)
        assert np.array_equal(labels.runs(name).mask(WHOLE), bodies == name)
        index = labels.index(name)
        assert np.array_equal(index.supervoxels, members)
        assert index.voxels == (bodies == name).sum()
        blocks = np.unique(np.argwhere(bodies == name) // 32, axis=0)
        assert np.array_equal(index.blocks, blocks)
        assert np.array_equal(labels.blocks(name).points(), blocks)
        assert np.array_equal(labels.bodies_of(members), np.full(len(members), name))
        assert labels.bounding_box(name).start <= tuple(np.argwhere(bodies == name).min(axis=0))
    for supervoxel in np.unique(supervoxels[supervoxels > 0]).tolist():
        assert labels.size(supervoxel, supervoxel=True) == (supervoxels == supervoxel).sum()


def test_look_ups_follow_edits(labels, voxels):
    bodies, supervoxels = voxels.copy(), voxels.copy()
    _check(labels, supervoxels, bodies)

    first = labels.merge(10, [11, 12, 13])
    bodies[np.isin(bodies, [11, 12, 13])] = 10
    _check(labels, supervoxels, bodies)

    cleave = labels.cleave(10, [12, 13])
    assert cleave.mutation_id > first
    bodies[np.isin(supervoxels, [12, 13])] = cleave.label
    _check(labels, supervoxels, bodies)

    part = Runs.from_mask((supervoxels == 13) & (np.arange(64) < 30))
    split = labels.split_supervoxel(13, part)
    inside = part.mask(WHOLE)
    supervoxels[supervoxels == 13] = split.rest
    supervoxels[inside] = split.part
    _check(labels, supervoxels, bodies)

    labels.renumber({14: 1000, cleave.label: 2000})
    bodies[bodies == 14], bodies[bodies == cleave.label] = 1000, 2000
    _check(labels, supervoxels, bodies)

    for absent in (11, 14, cleave.label):
        with pytest.raises(NotFound, match=f"no body {absent} in segmentation"):
            labels.size(absent)
    assert [mutation.action for mutation in labels.mutations()][:3] == ["merge", "cleave", "split-supervoxel"]
    assert labels.last_edit(10).mutation_id == cleave.mutation_id


def test_refused_edits_change_nothing(labels, voxels):
    following = labels.next_label
    wrong = Runs.from_table([[0, 0, 0, 64]])
    for edit in (
        lambda: labels.merge(10, [11, 99]),
        lambda: labels.cleave(10, [10]),
        lambda: labels.cleave(10, [11]),
        lambda: labels.split_supervoxel(10, wrong),
        lambda: labels.split_supervoxel(99, wrong),
        lambda: labels.renumber({10: 11}),
    ):
        with pytest.raises((InvalidInput, NotFound)):
            edit()
    _check(labels, voxels, voxels)
    assert labels.next_label == following


def test_a_sparse_volume_is_clipped_to_a_box(labels, voxels):
    for box in (Box((3, 5, 7), (20, 40, 33)), Box((0, 0, 0), (1, 1, 1)), Box((-5, -5, -5), (100, 100, 3))):
        runs = labels.runs(10, box=box)
        assert np.array_equal(runs.table, Runs.from_mask(voxels == 10).clip(box).table)
    assert len(labels.runs(10, box=Box.of_shape((4, 4, 4), (500, 500, 500)))) == 0
    with pytest.raises(NotFound, match="no body 99"):
        labels.runs(99, box=Box((3, 5, 7), (20, 40, 33)))
    with pytest.raises(InvalidInput, match="is empty"):
        labels.runs(10, box=Box((3, 3, 3), (3, 4, 4)))


def test_look_ups_are_split_into_requests(labels, voxels, monkeypatch):
    monkeypatch.setattr("voxome.remotes.dvid.lookups.BATCH", 7)
    monkeypatch.setattr("voxome.remotes.dvid.lookups.PAGE", 2)
    monkeypatch.setattr("voxome.remotes.dvid.shapes.INDICES", 2)
    points = np.random.default_rng(2).integers(-5, 80, (100, 3))
    inside = ((points >= 0) & (points < SHAPE)).all(axis=1)
    expected = np.where(inside, voxels[tuple((points * inside[:, None]).T)], 0)
    assert np.array_equal(labels.at(points), expected)
    assert labels.list_bodies(start=1)["body"].tolist() == [10, 11, 12, 13, 14, 15]
    assert labels.list_bodies(start=11, count=3)["body"].tolist() == [11, 12, 13]
    assert sorted(labels.indices([10, 11, 12, 99])) == [10, 11, 12]


def test_proximity_agrees_with_distances_between_voxels(labels, voxels):
    rows = labels.proximity(10, [12, 11])
    expected = []
    for other in (11, 12):
        for block in np.ndindex(1, 2, 2):
            cube = voxels[tuple(slice(32 * at, 32 * at + 32) for at in block)][::3, ::3, ::3]
            assert {10, other} <= set(np.unique(cube).tolist())
            expected.append((other, *block))
    assert (
        list(zip(*(rows[name].tolist() for name in ("other", "block_z", "block_y", "block_x")), strict=True))
        == expected
    )
    corner = voxels[:32, :32, :32]
    near = cdist(np.argwhere(corner == 10), np.argwhere(corner == 11)).min()
    assert rows["distance"][0] == near
    with pytest.raises(InvalidInput, match="body 10 is also among the others"):
        labels.proximity(10, [10])


@pytest.mark.parametrize(
    "box",
    [
        Box((0, 0, -40), (32, 64, -1)),
        Box((0, 0, -5), (32, 64, 0)),
        Box((31, 63, 63), (40, 70, 70)),
        Box((0, 0, 500), (9, 9, 600)),
        Box((31, 0, 0), (32, 1, 1)),
    ],
)
def test_a_box_without_a_body_has_no_runs(labels, voxels, box):
    for name in np.unique(voxels[voxels > 0]).tolist():
        runs = labels.runs(name, box=box)
        inside = box & WHOLE
        expected = 0 if inside.empty else (voxels[inside.within(WHOLE)] == name).sum()
        assert runs.count == expected
        assert labels.runs(name, box=box, supervoxel=True) == runs
    with pytest.raises(NotFound, match="no body 99"):
        labels.runs(99, box=box)


def test_a_committed_version_is_not_edited(labels, node):
    httpx.post(f"{node.api.base}/api/node/{node.uuid}/commit", json={"note": "done"}).raise_for_status()
    with pytest.raises(ReadOnly, match="committed versions"):
        labels.merge(10, [11])


def test_reserved_labels_are_not_assigned_by_edits(labels):
    taken = labels.reserve(10)
    assert len(taken) == 10
    assert taken.start > labels.max_label or labels.max_label >= taken[-1]
    labels.merge(10, [11])
    assert labels.cleave(10, [11]).label not in taken
    with pytest.raises(InvalidInput, match="request at least 1"):
        labels.reserve(0)
