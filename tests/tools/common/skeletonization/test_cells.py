"""Cells make skeletons independent of blocks that are multiples of them."""

from __future__ import annotations

import numpy as np
import pytest
from tools.common.skeletonization.blockwise import pieces_by_id
from tools.common.skeletonization.tubes import draw_tube

from voxome.tools.common.skeletonization import cells
from voxome.tools.common.skeletonization.objects import build_skeleton
from voxome.tools.common.skeletonization.parameters import Teasar

SIZE = (40, 16, 16)


def test_blocks_of_whole_cells_give_equal_skeletons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "CELL", 16)
    labels = np.zeros((40, 100, 90), np.uint64)
    draw_tube(labels, [(200, 160, 160), (800, 800, 800), (1400, 1400, 300)], 90, SIZE, label=3)
    draw_tube(labels, [(800, 800, 800), (1500, 300, 1300)], 60, SIZE, label=3)
    found = []
    for block in (16, 32, 48, 1000):
        pieces = pieces_by_id(labels, SIZE, block, cells=True)[3]
        found.append(build_skeleton(pieces, SIZE, Teasar()))
    for other in found[1:]:
        assert np.array_equal(other.nodes_nm, found[0].nodes_nm)
        assert np.array_equal(other.edges, found[0].edges)
        assert np.array_equal(other.radii_nm, found[0].radii_nm)
