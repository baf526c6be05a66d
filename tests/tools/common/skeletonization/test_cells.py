"""Cells make skeletons independent of blocks and boxes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tools.common.skeletonization.blockwise import cells_by_id
from tools.common.skeletonization.tubes import draw_tube

from voxome.geometry import Box
from voxome.tools.common.skeletonization import cells
from voxome.tools.common.skeletonization.objects import build_skeleton
from voxome.tools.common.skeletonization.parameters import Teasar
from voxome.tools.common.skeletonization.pieces import Piece

Scene = tuple[NDArray[np.uint64], Box, tuple[float, float, float]]
SIZES = [(40.0, 16.0, 16.0), (16.0, 16.0, 16.0), (90.0, 7.3, 11.9)]
CELL = 16


@pytest.fixture(scope="module", autouse=True)
def _small_cells() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "CELL", CELL)
        yield


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Return labels of tubes, balls and single voxels, their domain, and the voxel size."""
    shape = tuple(draw(st.integers(20, 45)) for _ in range(3))
    start = tuple(draw(st.integers(-20, 40)) for _ in range(3))
    size_nm = draw(st.sampled_from(SIZES))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = np.zeros(shape, np.uint64)
    extent = np.multiply(shape, size_nm)
    for label in range(1, 7):
        points = random.uniform(0.1, 0.9, (random.integers(1, 4), 3)) * extent
        draw_tube(labels, points, random.uniform(1, 5) * 16, size_nm, label=label)
    labels[random.random(shape) < 0.002] = 7
    return labels, Box.of_shape(shape, start), size_nm


def content(pieces: list[Piece]) -> list[tuple[object, ...]]:
    """Return what pieces of an object consist of, whatever their order."""
    return sorted(
        (one.voxels, one.points.tolist(), one.depth_nm.tolist(), one.edges.tolist(), one.surface.tolist())
        for one in pieces
    )


def entire(labels: NDArray[np.uint64], part: NDArray[np.uint64]) -> Iterator[int]:
    """Yield the labels all of whose voxels are in a part."""
    voxels, inside = (np.bincount(one.ravel().astype(np.int64), minlength=8) for one in (labels, part))
    yield from (id for id in range(1, 8) if inside[id] and inside[id] == voxels[id])


@pytest.mark.slow
@settings(max_examples=40)
@given(scenes(), st.tuples(*[st.integers(1, 4)] * 3))
def test_any_blocks_have_the_same_pieces(scene: Scene, shape: tuple[int, ...]) -> None:
    labels, domain, size_nm = scene
    whole = cells_by_id(labels, domain, domain, (1024,) * 3, size_nm)
    blocks = cells_by_id(labels, domain, domain, [n * CELL for n in shape], size_nm)
    assert {id: content(parts) for id, parts in blocks.items()} == {id: content(parts) for id, parts in whole.items()}
    for id, pieces in whole.items():
        one, other = (build_skeleton(parts, size_nm, Teasar()) for parts in (pieces, blocks[id]))
        assert np.array_equal(one.nodes_nm, other.nodes_nm)
        assert np.array_equal(one.edges, other.edges)
        assert np.array_equal(one.radii_nm, other.radii_nm)
    assert {id: sum(one.voxels for one in pieces) for id, pieces in whole.items()} == {
        int(id): int((labels == id).sum()) for id in np.unique(labels[labels > 0])
    }


@pytest.mark.slow
@settings(max_examples=40)
@given(scenes(), st.data())
def test_an_object_inside_a_box_has_the_pieces_of_the_whole(scene: Scene, data: st.DataObject) -> None:
    labels, domain, size_nm = scene
    start = tuple(a + data.draw(st.integers(0, n // 3)) for a, n in zip(domain.start, domain.shape, strict=True))
    stop = tuple(b - data.draw(st.integers(0, n // 3)) for b, n in zip(domain.stop, domain.shape, strict=True))
    box = Box(start, stop)
    part = labels[box.within(domain)]
    whole = cells_by_id(labels, domain, domain, (1024,) * 3, size_nm)
    in_box = cells_by_id(labels, domain, box, (CELL, 2 * CELL, CELL), size_nm)
    alone = cells_by_id(part, box, box, (1024,) * 3, size_nm)
    for id in entire(labels, part):
        assert content(in_box[id]) == content(whole[id])
    inner = Box(
        tuple(a + (a > first) for a, first in zip(box.start, domain.start, strict=True)),
        tuple(b - (b < last) for b, last in zip(box.stop, domain.stop, strict=True)),
    )
    for id in entire(labels, labels[inner.within(domain)]):  # a store ends at its border, where labels may go on
        assert content(alone[id]) == content(whole[id])
