"""Meshes of objects and their measures."""

from __future__ import annotations

import numpy as np
import pytest
from tools.common.meshing.surfaces import blob, pieces_by_id, random_labels

from voxome.tools.common.meshing.objects import TABLE, LevelErrors, mesh_object, table_rows
from voxome.tools.common.meshing.rows import PIECES, pieces_of, rows_of

pytestmark = pytest.mark.slow

SIZE = (5.24, 4.0, 3.7)
EXACT = LevelErrors.of(0, 1, SIZE)


@pytest.mark.parametrize("start", [(0, 0, 0), (60, 3, 7), (128, 3, 7)])
@pytest.mark.parametrize("block", [(16, 16, 16), (5, 17, 3)])
def test_an_offset_moves_the_mesh_by_its_voxels(start: tuple[int, int, int], block: tuple[int, int, int]) -> None:
    labels = np.zeros((20, 18, 16), np.uint64)
    labels[3:13, 2:9, 1:14] = 5
    found = mesh_object(pieces_by_id(labels, block, start)[5], SIZE, EXACT)
    (mesh,) = found.levels
    low, high = (np.array(at) + start for at in ((3, 2, 1), (13, 9, 14)))
    np.testing.assert_array_equal(mesh.vertices_nm.min(axis=0), np.float32(low * SIZE))
    np.testing.assert_array_equal(mesh.vertices_nm.max(axis=0), np.float32(high * SIZE))
    measures = found.measures
    assert [measures[name] for name in ("start_z", "start_y", "start_x")] == low.tolist()
    assert [measures[name] for name in ("stop_z", "stop_y", "stop_x")] == high.tolist()
    assert measures["voxels"] == 10 * 7 * 13
    assert measures["volume_nm3"] == pytest.approx(10 * 7 * 13 * np.prod(SIZE))
    assert measures["watertight"]
    assert 0.95 < measures["mesh_volume_nm3"] / measures["volume_nm3"] < 1
    box = np.array([10, 7, 13]) * SIZE
    assert 0.9 < measures["area_nm2"] / (2 * (box[0] * box[1] + box[1] * box[2] + box[0] * box[2])) < 1


def test_one_voxel_has_a_mesh_and_the_volume_of_a_voxel() -> None:
    labels = np.zeros((3, 3, 3), np.uint64)
    labels[1, 1, 1] = 2**64 - 2
    found = mesh_object(pieces_by_id(labels, (3, 3, 3))[2**64 - 2], (40, 32, 32), LevelErrors.of(40, 3, (40, 32, 32)))
    assert len(found.levels) == 3
    assert all(len(mesh.faces) >= 4 for mesh in found.levels)
    assert found.measures["id"] == 2**64 - 2
    assert found.measures["volume_nm3"] == 40 * 32 * 32


def test_levels_of_detail_have_fewer_faces_and_larger_errors() -> None:
    errors = LevelErrors.of(20, 3, (40, 32, 32))
    assert errors.bounds_nm == (20, 40, 80)
    found = mesh_object(pieces_by_id(blob().astype(np.uint8), (12, 14, 16))[1], (40, 32, 32), errors)
    counts = [len(mesh.faces) for mesh in found.levels]
    assert counts[0] > counts[1] > counts[2]
    assert found.measures["faces"] == counts[0] < found.measures["full_faces"]
    assert 0 < found.measures["error_nm"] <= 20


def test_the_first_level_may_be_the_surface_itself() -> None:
    assert LevelErrors.of(0, 3, (40, 32, 32)).bounds_nm == (0, 40, 80)
    assert LevelErrors.of(0, 1, (40, 32, 32)).bounds_nm == (0,)
    assert LevelErrors.of(30, 1, (40, 32, 32)).bounds_nm == (30,)


def test_dust_is_judged_by_the_whole_object() -> None:
    labels = np.zeros((10, 10, 40), np.uint16)
    labels[:, :, :30] = 1  # 3,000 voxels in pieces of 300
    labels[:, :9, 30:] = 2  # 900 voxels
    pieces = pieces_by_id(labels, (10, 10, 3))
    kept, dropped = (mesh_object(pieces[id], (2, 1, 1), EXACT, 2 * 1000.0) for id in (1, 2))
    assert len(kept.levels) == 1
    assert kept.measures["meshed"]
    assert dropped.levels == []
    assert not dropped.measures["meshed"]
    rows = table_rows([kept.measures, dropped.measures])
    assert rows["id"].tolist() == [1, 2]
    assert rows["voxels"].tolist() == [3000, 900]
    assert list(rows) == list(TABLE)


def test_pieces_are_rows_and_back() -> None:
    pieces = [piece for parts in pieces_by_id(random_labels((6, 7, 8)), (4, 4, 4)).values() for piece in parts]
    rows = rows_of(pieces)
    assert list(rows) == list(PIECES)
    for piece, other in zip(pieces, pieces_of(rows), strict=True):
        assert (piece.id, piece.start, piece.voxels) == (other.id, other.start, other.voxels)
        for name in ("vertices", "faces", "borders"):
            np.testing.assert_array_equal(getattr(piece, name), getattr(other, name))


def test_there_may_be_no_pieces() -> None:
    assert pieces_of(rows_of([])) == []
    assert table_rows([])["id"].dtype == np.uint64


@pytest.mark.parametrize("block", [(16, 16, 16), (12, 14, 16), (5, 32, 7)])
@pytest.mark.parametrize("bound", [0, 40])
def test_a_mesh_does_not_depend_on_the_blocks(block: tuple[int, int, int], bound: float) -> None:
    errors = LevelErrors.of(bound, 2, (40, 32, 32))
    whole = mesh_object(pieces_by_id(blob().astype(np.uint8), (99, 99, 99))[1], (40, 32, 32), errors)
    found = mesh_object(pieces_by_id(blob().astype(np.uint8), block)[1], (40, 32, 32), errors)
    for one, other in zip(whole.levels, found.levels, strict=True):
        np.testing.assert_array_equal(one.vertices_nm, other.vertices_nm)
        np.testing.assert_array_equal(one.faces, other.faces)
    assert whole.measures == found.measures
