"""The complete segmentation gives the same result block by block as on the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from tools.em.kernels.blockwise import Runner

from voxome.geometry import BlockGrid, Box
from voxome.tools.em.kernels.affinity import NEAR, membrane_map, near_affinities
from voxome.tools.em.kernels.agglomerate import Method, agglomerate
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.edges import edge_rows, fold_edges, fold_nodes, node_rows
from voxome.tools.em.kernels.filters import absorb_small, fill_holes
from voxome.tools.em.kernels.height import HeightParams, height_map

DOMAIN = Box.of_shape((40, 44, 48), (-7, 3, 11))
BOX = Box((-5, 5, 12), (30, 44, 58))


def two_scales(seed: int) -> NDArray[np.uint8]:
    """Cells with membranes of varying strength."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=DOMAIN.shape), 3)
    return np.round(255 * np.exp(-((field / field.std() / 0.4) ** 2))).astype(np.uint8)


def segment(membrane: NDArray[np.uint8], block: tuple[int, int, int], method: Method) -> NDArray[np.uint64]:
    grid = BlockGrid(DOMAIN, block, BOX)
    fragments = Runner(membrane, grid, HeightParams(radius=4)).fragments()
    affinities = near_affinities(membrane)[(slice(None), *BOX.within(DOMAIN))]
    edges, nodes = [], []
    for part in grid:
        own, read = part.write.within(BOX), (part.write.grow((0, 0, 0), (1, 1, 1)) & BOX).within(BOX)
        edges.append(
            edge_rows(fragments[read], affinities[(slice(None), *own)], NEAR, part.write.shape, histogram=True)
        )
        nodes.append(node_rows(fragments[own], part.write, DOMAIN, BOX))
    edge, node = fold_edges(edges[::-1]), fold_nodes(nodes[::-1])
    objects = agglomerate(node.ids, edge, 0.5, method)
    objects = fill_holes(node, edge, absorb_small(node, edge, objects, 50))
    return objects[np.searchsorted(node.ids, fragments)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mean", "waterz", "mutex"])
def test_segmentation_does_not_depend_on_blocks(method: Method) -> None:
    membrane = two_scales(1)
    whole = segment(membrane, DOMAIN.shape, method)
    count = len(np.unique(whole))
    assert 1 < count < 1000
    for block in ((16, 16, 16), (9, 25, 50)):
        np.testing.assert_array_equal(segment(membrane, block, method), whole)


def test_volumes_of_a_single_voxel_are_segmented() -> None:
    box = Box.of_shape((1, 1, 1))
    for value, expected in ((0, [1]), (-1, [])):
        height = (
            height_map(np.zeros(box.shape, np.uint8), HeightParams())
            if value == 0
            else np.full(box.shape, -1, np.int32)
        )
        fragments = basins(height, box, box, box)
        nodes, edges = (
            node_rows(fragments, box, box),
            edge_rows(fragments, np.zeros((3, 1, 1, 1), np.uint8), NEAR, (1, 1, 1)),
        )
        objects = agglomerate(nodes.ids, edges, method="mean")
        objects = fill_holes(nodes, edges, absorb_small(nodes, edges, objects, 500))
        assert objects.tolist() == expected


def test_membranes_from_affinities_do_not_depend_on_blocks() -> None:
    affinities = np.random.default_rng(0).integers(0, 256, (3, *DOMAIN.shape)).astype(np.uint8)
    whole = membrane_map(affinities)
    for part in BlockGrid(DOMAIN, (16, 16, 16), halo=((1, 1, 1), (0, 0, 0))):
        own = part.write.within(part.read)
        near = affinities[(slice(None), *part.read.within(DOMAIN))]
        np.testing.assert_array_equal(membrane_map(near)[own], whole[part.write.within(DOMAIN)])
