from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.tools.em.kernels.affinity import NEAR
from voxome.tools.em.kernels.edges import edge_rows, fold_edges, fold_nodes, node_rows

FAR = (*NEAR, (4, 0, 0), (0, 4, 0), (1, 0, 2))
SHAPE = (7, 8, 9)


def labels(seed: int, count: int = 9) -> np.ndarray:
    ids = np.random.default_rng(seed).integers(1, 2**62, count).astype(np.uint64)
    return np.concatenate([[0], ids]).astype(np.uint64)[np.random.default_rng(seed).integers(0, count + 1, SHAPE)]


@pytest.mark.slow
@given(
    st.integers(0, 99),
    st.tuples(*[st.integers(2, 9)] * 3),
    st.sampled_from([NEAR, FAR]),
    st.randoms(use_true_random=False),
)
def test_edges_of_blocks_add_up_to_those_of_all_pairs(
    seed: int, block: tuple[int, int, int], offsets: tuple[tuple[int, int, int], ...], order: object
) -> None:
    fragments = labels(seed)
    affinities = np.random.default_rng(seed).integers(0, 256, (len(offsets), *SHAPE)).astype(np.uint8)
    expected: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * 10)
    for k, offset in enumerate(offsets):
        for p in np.ndindex(*SHAPE):
            q = tuple(a + b for a, b in zip(p, offset, strict=True))
            if all(a < n for a, n in zip(q, SHAPE, strict=True)):
                a, b = sorted((int(fragments[p]), int(fragments[q])))
                if 0 < a < b:
                    affinity = int(affinities[(k, *p)])
                    expected[a, b][0] += affinity
                    expected[a, b][1] += 1
                    expected[a, b][2 + affinity // 32] += 1
    domain = Box.of_shape(SHAPE, (-3, 5, 0))
    reach = tuple(max(o) for o in zip(*offsets, strict=True))
    rows = []
    for part in BlockGrid(domain, block, halo=((0, 0, 0), reach)):
        own, read = part.write.within(domain), part.read.within(domain)
        rows.append(edge_rows(fragments[read], affinities[:, *own], offsets, part.write.shape, histogram=True))
    order.shuffle(rows)  # type: ignore[attr-defined]
    edges = fold_edges(rows)
    assert edges.ids.tolist() == [list(pair) for pair in sorted(expected)]
    assert edges.values.tolist() == [expected[pair] for pair in sorted(expected)]


def _at_border(fragments: np.ndarray) -> np.ndarray:
    """Voxels of the border of the array, or beside background."""
    inside = ndimage.binary_erosion(np.pad(fragments != 0, 1), ndimage.generate_binary_structure(3, 1))
    return ~inside[1:-1, 1:-1, 1:-1]


@pytest.mark.slow
@given(st.integers(0, 99), st.tuples(*[st.integers(2, 9)] * 3))
def test_nodes_of_blocks_add_up_to_sizes_and_centres(seed: int, block: tuple[int, int, int]) -> None:
    domain, box = Box.of_shape((20, 20, 20), (-9, 0, 9)), Box.of_shape(SHAPE, (-4, 5, 9))
    fragments = labels(seed)
    parts = [(b.write, b.read & box) for b in BlockGrid(domain, block, box, halo=((1, 1, 1), (1, 1, 1)))]
    rows = [node_rows(fragments[read.within(box)], write, domain, box, read=read) for write, read in parts]
    nodes = fold_nodes(rows)
    assert nodes.ids.tolist() == [i for i in np.unique(fragments).tolist() if i]
    for i, row in zip(nodes.ids, nodes.values, strict=True):
        points = np.argwhere(fragments == i)
        rim = _at_border(fragments)[fragments == i].sum()
        assert row.tolist() == [len(points), *(points + np.array([5, 5, 0])).sum(axis=0), rim]


def test_hash_tables_grow() -> None:
    fragments = np.arange(1, 20**3 + 1, dtype=np.uint64).reshape(20, 20, 20)
    affinities = np.full((3, 20, 20, 20), 7, np.uint8)
    edges = edge_rows(fragments, affinities, NEAR, (20, 20, 20))
    assert len(edges.ids) == 3 * 19 * 20 * 20
    assert (edges.values == [7, 1]).all()


def test_folding_no_rows_gives_no_rows() -> None:
    assert fold_edges([]).ids.shape == (0, 2)
    assert fold_nodes([]).values.shape == (0, 5)


def test_invalid_arrays_are_refused() -> None:
    fragments, affinities = np.ones(SHAPE, np.uint64), np.zeros((3, *SHAPE), np.uint8)
    with pytest.raises(InvalidInput, match="offsets"):
        edge_rows(fragments, affinities, FAR, SHAPE)
    with pytest.raises(InvalidInput, match="offsets"):
        edge_rows(fragments, affinities, (*NEAR[:2], (0, 0, -1)), SHAPE)
    with pytest.raises(InvalidInput, match="affinities"):
        edge_rows(fragments, affinities[:, 1:], NEAR, SHAPE)
