"""Surfaces of blocks, and their joining."""

from __future__ import annotations

import numpy as np
import pytest
from tools.common.meshing.surfaces import (
    count_parts,
    edge_counts,
    face_counts,
    join_blocks,
    pieces_by_id,
    random_labels,
)

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.meshing.measures import is_watertight, volume_of
from voxome.tools.common.meshing.surface import mesh_block, sort_surface
from voxome.tools.common.unsigned_labels import unsigned_labels


@pytest.mark.slow
@pytest.mark.parametrize("block", [(16, 16, 16), (5, 17, 3), (1, 4, 48), (2, 2, 2)])
def test_the_faces_of_all_blocks_are_those_of_the_whole(block: tuple[int, int, int]) -> None:
    labels = random_labels((16, 17, 9))
    whole, blocks = join_blocks(labels, labels.shape), join_blocks(labels, block)
    assert whole.keys() == blocks.keys() == {1, 2, 2**63 + 5}
    for id, (vertices, faces) in blocks.items():
        counts = face_counts(vertices, faces)
        assert counts == face_counts(*whole[id])
        assert max(counts.values()) == 1
        assert set(edge_counts(faces)) == {2}
        assert is_watertight(len(vertices), faces)
        assert count_parts(vertices, faces) == count_parts(*whole[id])
        assert len(np.unique(faces)) == len(vertices)


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 4, 4), (1, 5, 3)])
def test_an_object_that_fills_the_volume_is_closed_at_its_faces(shape: tuple[int, int, int]) -> None:
    vertices, faces = join_blocks(np.full(shape, 7, np.uint8), shape)[7]
    assert is_watertight(len(vertices), faces)
    assert vertices.min(axis=0).tolist() == [0, 0, 0]
    assert vertices.max(axis=0).tolist() == [2 * n for n in shape]
    assert volume_of(vertices, faces) > 0


def test_an_object_inside_is_the_same_with_or_without_closing() -> None:
    labels = np.zeros((9, 9, 9), np.uint16)
    labels[3:6, 2:5, 4:7] = 300
    grown = np.pad(labels, 2)
    vertices, faces = join_blocks(labels, labels.shape)[300]
    moved, others = join_blocks(grown, grown.shape, (-2, -2, -2))[300]
    np.testing.assert_array_equal(vertices, moved)
    np.testing.assert_array_equal(faces, others)


def test_the_mesh_of_a_box_ends_at_the_faces_of_its_voxels() -> None:
    labels = np.zeros((12, 10, 9), np.uint32)
    labels[3:7, 2:9, 1:4] = 5
    for start in ((0, 0, 0), (60, 3, 7), (-5, 10**9, 2)):
        vertices, _ = join_blocks(labels, (5, 4, 3), start)[5]
        assert (vertices.min(axis=0) // 2 - start).tolist() == [3, 2, 1]
        assert (vertices.max(axis=0) // 2 - start).tolist() == [7, 9, 4]


def test_memory_order_does_not_matter() -> None:
    labels = random_labels((7, 8, 9))
    expected = join_blocks(labels, (4, 4, 4))
    for same in (np.asfortranarray(labels), labels[::-1, :, ::-1].copy()[::-1, :, ::-1]):
        for id, (vertices, faces) in join_blocks(same, (4, 4, 4)).items():
            assert face_counts(vertices, faces) == face_counts(*expected[id])


def test_large_ids_stay_apart() -> None:
    ids = (2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2)
    labels = np.zeros((3, 3, 9), np.uint64)
    labels[1, 1, 1::2] = ids
    found = join_blocks(labels, (3, 3, 4))
    assert sorted(found) == sorted(ids)
    assert all(len(faces) == 8 for _, faces in found.values())


def test_a_piece_counts_the_voxels_that_its_block_has() -> None:
    labels = np.zeros((1, 1, 20), np.uint64)
    labels[0, 0, 2:15] = 9
    pieces = pieces_by_id(labels, (1, 1, 5))[9]
    assert [piece.voxels for piece in pieces] == [3, 5, 5]
    assert sum(piece.voxels for piece in pieces_by_id(labels, (1, 1, 15))[9]) == 13


def test_the_inside_of_an_object_has_voxels_but_no_faces() -> None:
    pieces = pieces_by_id(np.full((9, 9, 9), 4, np.uint8), (3, 3, 3))[4]
    inside = [piece for piece in pieces if piece.start == (3, 3, 3)]
    assert [(piece.voxels, len(piece.faces)) for piece in inside] == [(27, 0)]


def test_only_vertices_between_blocks_are_joined() -> None:
    labels = np.zeros((4, 4, 8), np.uint8)
    labels[1:3, 1, 1:7] = labels[1:3, 2, 1:7] = 1
    pieces = pieces_by_id(labels, (4, 4, 4))[1]
    for piece in pieces:
        on_plane = piece.vertices[piece.borders]
        assert len(on_plane)
        assert ((on_plane == 1) | (on_plane == 9)).any(axis=1).all()


def test_a_block_needs_one_voxel_beyond_its_upper_faces() -> None:
    write, domain = Box((0, 0, 0), (4, 4, 4)), Box((0, 0, 0), (8, 4, 4))
    with pytest.raises(InvalidInput, match="one voxel is missing"):
        mesh_block(np.zeros((4, 4, 4), np.uint8), write, write, domain)


@pytest.mark.parametrize(("values", "message"), [([-5, 1], "the label -5"), ([1.5, 2.0], "float64 were given")])
def test_labels_that_are_none_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        unsigned_labels(np.array(values).reshape(1, 1, 2))


def test_a_sorted_surface_has_the_same_faces() -> None:
    vertices, faces = join_blocks(random_labels((7, 8, 9)), (4, 4, 4))[1]
    at, sorted_faces = sort_surface(vertices, faces)
    assert face_counts(at, sorted_faces) == face_counts(vertices, faces)
    assert at.tolist() == sorted(vertices.tolist())
    rows = sorted_faces.tolist()
    assert rows == sorted(rows)
    assert (sorted_faces[:, 0] == sorted_faces.min(axis=1)).all()


def test_an_empty_surface_is_sorted() -> None:
    vertices, faces = sort_surface(np.empty((0, 3), np.int64), np.empty((0, 3), np.int32))
    assert len(vertices) == len(faces) == 0
