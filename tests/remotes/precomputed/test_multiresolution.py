"""Meshes in levels of detail: cut at the nodes of an octree, on a lattice, without cracks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import DracoPy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from remotes.precomputed.surfaces import ball, box, open_edges, volume
from scipy.spatial import cKDTree

from voxome.contracts.shapes import Mesh
from voxome.errors import InvalidInput
from voxome.remotes.precomputed.mesh_grid import Grid, cut, morton
from voxome.remotes.precomputed.mesh_manifest import Manifest
from voxome.remotes.precomputed.mesh_welding import weld
from voxome.remotes.precomputed.multiresolution import encode_multiresolution
from voxome.testing.volume_case import any_example

UINT32 = 6
"""Draco's number of the type."""


def fragments(data: bytes, manifest: Manifest) -> list[list[tuple[Any, Any]]]:
    """Decoded points (integers) and faces of every fragment of every level; None for empty ones."""
    at, levels = 0, []
    for level in manifest.levels:
        decoded = []
        for size in level.sizes.tolist():
            one = DracoPy.decode(data[at : at + size]) if size else None
            assert one is None or one.attributes[0]["data_type"] == UINT32
            assert one is None or one.points.dtype == np.uint32
            decoded.append(one and (np.asarray(one.points).astype(int), np.asarray(one.faces)))
            at += size
        levels.append(decoded)
    assert at == len(data)
    return levels


def decoded(data: bytes, manifest: Manifest, lod: int, bits: int) -> Mesh:
    """The mesh of a level by the formula of the format (z, y, x)."""
    level, parts = manifest.levels[lod], []
    for position, part in zip(level.positions, fragments(data, manifest)[lod], strict=True):
        if part is not None:
            points, faces = part
            xyz = (
                manifest.grid_origin
                + level.offset
                + manifest.chunk_shape * 2**lod * (position + points / (2**bits - 1))
            )
            parts.append(Mesh(xyz[:, ::-1], faces[:, ::-1]))
    return Mesh.join(parts)


def levels_of_ball(radius: float = 5000, centre: Any = (9000, 3000, 700)) -> list[Mesh]:
    return [ball(radius, centre, parts) for parts in (48, 24, 8)]


@pytest.mark.slow
@pytest.mark.usefixtures("_small_nodes")
@pytest.mark.parametrize("bits", [10, 16])
def test_every_level_is_closed_and_within_half_a_lattice_step(bits: int) -> None:
    levels = levels_of_ball()
    data = encode_multiresolution(5, levels, bits)
    manifest = Manifest.decode(data[0])
    assert len(manifest.levels) == 3
    for lod, mesh in enumerate(levels):
        found = decoded(data[1], manifest, lod, bits)
        assert open_edges(found) == 0
        assert_allclose(volume(found), volume(mesh), rtol=1e-3)
        half = manifest.chunk_shape[::-1] * 2**lod / (2**bits - 1) / 2
        tree = cKDTree(found.vertices_nm / half)
        assert tree.query(mesh.vertices_nm / half, p=np.inf)[0].max() <= 1 + np.spacing(np.float32(15_000)) / half.min()


@pytest.mark.slow
@pytest.mark.usefixtures("_small_nodes")
@pytest.mark.parametrize("bits", [10, 16])
def test_no_triangle_crosses_a_node_or_the_middle_of_a_coarse_one(bits: int) -> None:
    data = encode_multiresolution(5, levels_of_ball(), bits)
    manifest = Manifest.decode(data[0])
    assert all(len(level.sizes) > 1 for level in manifest.levels[:2])
    for lod, parts in enumerate(fragments(data[1], manifest)):
        for points, faces in filter(None, parts):
            assert points.min() >= 0
            assert points.max() < 2**bits
            side = np.sign(points[faces] - 2 ** (bits - 1))
            assert lod == 0 or not ((side.min(axis=1) < 0) & (side.max(axis=1) > 0)).any()


@pytest.fixture
def _small_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes have few faces, so that small meshes have many nodes."""
    monkeypatch.setattr("voxome.remotes.precomputed.mesh_grid._FACES", 100)


def test_nodes_are_in_z_order_and_form_an_octree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.remotes.precomputed.mesh_grid._FACES", 1)
    fine = box((0, 0, 0), (100, 100, 100))
    coarse = box((0, 0, 0), (1000, 100, 100))
    data = encode_multiresolution(5, [fine, coarse, coarse], 16)
    manifest = Manifest.decode(data[0])
    nodes = [{tuple(row) for row in level.positions.tolist()} for level in manifest.levels]
    for level in manifest.levels:
        codes = [
            sum((int(n) >> bit & 1) << 3 * bit + axis for bit in range(9) for axis, n in enumerate(row))
            for row in level.positions
        ]
        assert codes == sorted(set(codes))
    for lower, upper in pairwise(nodes):
        assert {(x // 2, y // 2, z // 2) for x, y, z in lower} <= upper
    empty = [level.positions[level.sizes == 0].tolist() for level in manifest.levels]
    # the coarse box has its far part in nodes where the fine one has nothing: these say so, with 0 bytes
    assert [0, 0, 3] in empty[0]
    assert len(empty[1]) == len(empty[2]) == 0


def test_a_fine_surface_has_parents_where_the_coarse_one_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.remotes.precomputed.mesh_grid._FACES", 1)
    data = encode_multiresolution(5, [box((0, 0, 0), (1000, 100, 100)), box((0, 0, 0), (100, 100, 100))], 16)
    manifest = Manifest.decode(data[0])
    for upper in manifest.levels[1:]:
        parents = {tuple(row // 2) for row in manifest.levels[0].positions}
        assert parents <= {tuple(row) for row in upper.positions}


def test_scales_do_not_decrease_and_grow_with_the_triangles() -> None:
    manifest = Manifest.decode(encode_multiresolution(5, levels_of_ball(), 16)[0])
    scales = [level.scale for level in manifest.levels]
    assert scales == sorted(scales)
    assert 12 < scales[0] < 125 < scales[2] < 625
    same = Manifest.decode(encode_multiresolution(5, levels_of_ball()[::-1], 16)[0])
    assert len({level.scale for level in same.levels}) == 1


@pytest.mark.parametrize("bits", [10, 16])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((40, 16, 8), (80, 32, 16)),
        ((0, 0, 0), (1, 1, 40_000)),
        ((1e7, 1e7, 1e7), (1e7 + 40, 1e7 + 16, 1e7 + 8)),
        ((60.5 * 5.24, 3 * 4.0, 7 * 3.7), (61.5 * 5.24, 4 * 4.0, 8 * 3.7)),
    ],
)
def test_one_voxel_and_thin_objects_are_kept_closed_at_every_level(low: Any, high: Any, bits: int) -> None:
    mesh = box(low, high)
    data = encode_multiresolution(5, [mesh, mesh, mesh], bits)
    manifest = Manifest.decode(data[0])
    assert len(manifest.levels) == 3
    for lod in range(3):
        found = decoded(data[1], manifest, lod, bits)
        assert open_edges(found) == 0
        assert len(found.faces) >= 12
        assert_allclose(found.vertices_nm.min(axis=0), mesh.vertices_nm.min(axis=0))
        rounding = manifest.chunk_shape[::-1] * 2**lod / (2**bits - 1) / 2 if lod else 0
        gaps = np.abs(found.vertices_nm.max(axis=0) - mesh.vertices_nm.max(axis=0))
        assert (gaps <= rounding + np.spacing(mesh.vertices_nm.max(axis=0))).all()


def test_two_far_specks_are_both_kept() -> None:
    specks = Mesh.join([box((0, 0, 0), (8, 8, 8)), box((0, 90_000, 0), (8, 90_008, 8))])
    data = encode_multiresolution(5, [specks], 10)
    found = decoded(data[1], Manifest.decode(data[0]), 0, 10)
    assert open_edges(found) == 0
    assert volume(found) > 0.9 * volume(specks)


def test_levels_end_where_nothing_is_left() -> None:
    nothing = Mesh(np.zeros((3, 3)), np.zeros((0, 3)))
    speck = Mesh(np.array([[1, 1, 1], [1, 1, 1.001], [1, 1.001, 1]]), [[0, 1, 2]])
    mesh = box((0, 0, 0), (10_000, 10_000, 10_000))
    for levels, count in (([mesh, nothing, mesh], 1), ([mesh, speck], 1), ([mesh, mesh, nothing], 2)):
        assert len(Manifest.decode(encode_multiresolution(5, levels, 10)[0]).levels) == count
    with pytest.raises(InvalidInput, match="mesh of segment 5 has no faces"):
        encode_multiresolution(5, [nothing, mesh], 10)
    with pytest.raises(InvalidInput, match="all faces of the mesh of segment 5 are lines or points with 10 bits"):
        encode_multiresolution(5, [Mesh([[0, 0, 0]] * 3, [[0, 1, 2]])], 10)
    with pytest.raises(InvalidInput, match="has no faces"):
        encode_multiresolution(5, [], 10)


def test_a_self_touching_surface_stays_two_sheets() -> None:
    """Vertices that coincide are not joined: both boxes keep their own twelve faces, and the edge that they share."""
    touching = Mesh.join([box((0, 0, 0), (10, 10, 10)), box((10, 10, 0), (20, 20, 10))])
    data = encode_multiresolution(5, [touching], 16)
    found = decoded(data[1], Manifest.decode(data[0]), 0, 16)
    assert open_edges(found) == 0
    assert_allclose(volume(found), volume(touching), rtol=1e-4)


@pytest.mark.slow
@any_example
@given(
    seed=st.integers(0, 1000),
    bits=st.sampled_from([10, 16]),
    lod=st.integers(0, 3),
    nodes=st.tuples(*[st.integers(1, 9)] * 3),
)
def test_any_closed_surface_stays_closed(seed: int, bits: int, lod: int, nodes: tuple[int, int, int]) -> None:
    random = np.random.default_rng(seed)
    mesh = ball(1000, random.uniform(-500, 500, 3), int(random.integers(4, 16)), random.uniform(0, 0.9))
    xyz = mesh.vertices_nm[:, ::-1].astype(np.float64)
    grid = Grid(xyz.min(axis=0), (np.ptp(xyz, axis=0) / nodes / 2**lod), bits)
    pieces = cut(mesh, grid, lod)
    points = [piece.points + np.array(piece.position) * grid.steps for piece in pieces]
    assert min(piece.points.min() for piece in pieces) >= 0
    assert max(piece.points.max() for piece in pieces) <= grid.steps
    assert len({piece.position for piece in pieces}) == len(pieces)
    joined = Mesh.join([Mesh(xyz, piece.faces) for xyz, piece in zip(points, pieces, strict=True)])
    assert open_edges(joined) == 0
    for piece in pieces if lod else []:
        assert {(x // 2, y // 2, z // 2) for x, y, z in piece.octants} == {piece.position}


def test_morton_codes_interleave_from_x() -> None:
    assert morton(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [3, 0, 0], [2**20, 0, 0]])).tolist() == [
        1, 2, 4, 9, 2**60,
    ]  # fmt: skip


def test_vertices_are_joined_on_borders_and_only_between_fragments() -> None:
    """Two fragments that meet at x = 1: their three vertices there are one each, the doubled inner ones stay two."""
    left = np.array([[10, 0, 0], [10, 5, 0], [10, 5, 0], [10, 0, 5], [3, 3, 3], [3, 3, 3]])
    right = np.array([[0, 0, 0], [0, 5, 0], [0, 0, 5], [3, 3, 3]])
    faces = np.array([[0, 1, 3], [2, 4, 5]], np.uint32), np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
    points, joined = weld([(np.array([0, 0, 0]), left, faces[0]), (np.array([1, 0, 0]), right, faces[1])], 10)
    assert points.tolist() == [
        [1, 0, 0], [1, 0.5, 0], [1, 0.5, 0], [1, 0, 0.5], [0.3, 0.3, 0.3], [0.3, 0.3, 0.3], [1.3, 0.3, 0.3],
    ]  # fmt: skip
    assert joined.tolist() == [[0, 1, 3], [2, 4, 5], [0, 1, 3], [0, 3, 6]]
