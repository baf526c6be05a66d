from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage

from voxome.geometry import BlockGrid, Box
from voxome.resources.rows import combine, concatenate
from voxome.tools.common.components import local_components, object_rows, touching_pairs, union
from voxome.tools.common.voxel_ids import pack

DOMAIN = Box((-2, 3, 10), (5, 9, 18))
MASKS = npst.arrays(np.bool_, DOMAIN.shape)


def in_blocks(mask, block):
    """Return object labels of the domain and their rows, computed block by block."""
    score = (np.arange(mask.size).reshape(mask.shape) % 251).astype(np.uint8)
    grid = BlockGrid(DOMAIN, block)
    local = np.zeros(mask.shape, np.uint64)
    rows = []
    for b in grid:
        at = b.write.within(DOMAIN)
        local[at] = local_components(mask[at], b.write, DOMAIN)
        rows.append(object_rows(local[at], score[at], b.write, DOMAIN))
    pairs = [touching_pairs(local[(b.write.grow((0,) * 3, (1,) * 3) & DOMAIN).within(DOMAIN)]) for b in grid]
    joined = union(concatenate(pairs))
    roots = dict(zip(joined["id"].tolist(), joined["root"].tolist(), strict=True))
    table = concatenate(rows)
    table["id"] = np.array([roots.get(i, i) for i in table["id"].tolist()], np.uint64)
    labels = np.vectorize(lambda i: roots.get(int(i), int(i)), otypes=[np.uint64])(local)
    return labels, combine(table, ["id"], {"peak": "max"}), score


@pytest.mark.slow
@settings(max_examples=40)
@given(MASKS, st.tuples(*[st.integers(1, 8)] * 3))
def test_objects_do_not_depend_on_blocks_and_match_scipy(mask, block):
    labels, rows, score = in_blocks(mask, block)
    expected, count = ndimage.label(mask)
    assert len(rows["id"]) == count
    for number in range(1, count + 1):
        points = np.argwhere(expected == number)
        name = pack(points[0] + DOMAIN.start, DOMAIN)
        assert (labels[expected == number] == name).all()
        row = int(np.flatnonzero(rows["id"] == name)[0])
        assert rows["voxels"][row] == len(points)
        assert [rows[k][row] for k in "zyx"] == points.sum(axis=0).tolist()
        assert rows["score"][row] == score[expected == number].astype(int).sum()
        assert rows["peak"][row] == score[expected == number].max()
    assert (labels[expected == 0] == 0).all()


def test_an_empty_mask_gives_empty_tables():
    labels, rows, _ = in_blocks(np.zeros(DOMAIN.shape, bool), (3, 3, 3))
    assert not labels.any()
    assert all(len(column) == 0 for column in rows.values())
