from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.em.kernels.blockwise import Runner

from voxome.errors import CorruptData
from voxome.geometry import BlockGrid, Box
from voxome.tools.common.voxel_ids import pack
from voxome.tools.em.kernels.basins import basins
from voxome.tools.em.kernels.exits import apply_lookup, resolve_region
from voxome.tools.em.kernels.height import HeightParams, height_map

small = st.integers(2, 12)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.integers(0, 2**16),
    st.tuples(small, small, small),
    st.tuples(*[st.integers(-30, 30)] * 3),
    st.tuples(*[st.integers(0, 4)] * 3),
    st.tuples(*[st.integers(0, 4)] * 3),
    st.sampled_from([0.0, 0.5]),
)
def test_fragments_do_not_depend_on_blocks(
    seed: int,
    block: tuple[int, int, int],
    origin: tuple[int, int, int],
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    sigma: float,
) -> None:
    domain = Box.of_shape((12, 14, 13), origin)
    box = domain.grow([-n for n in low], [-n for n in high])
    rng = np.random.default_rng(seed)
    membrane = np.where(rng.random(domain.shape) < 0.05, 255, 0).astype(np.uint8)
    params = HeightParams(radius=3, sigma=sigma)
    height = height_map(membrane, params)
    whole = basins(height, domain, box, domain, box)
    runner = Runner(membrane, BlockGrid(domain, block, box), params)
    np.testing.assert_array_equal(runner.fragments(), whole)


def test_every_fragment_has_its_root_inside() -> None:
    domain = Box.of_shape((20, 20, 20))
    membrane = (np.random.default_rng(3).random(domain.shape) < 0.05).astype(np.uint8) * 255
    fragments = Runner(membrane, BlockGrid(domain, (8, 8, 8)), HeightParams(radius=3)).fragments()
    places = pack(np.moveaxis(np.indices(domain.shape), 0, -1), domain)
    roots = places[fragments == places]
    np.testing.assert_array_equal(np.sort(roots), np.unique(fragments))


@pytest.mark.slow
def test_only_exits_through_outer_faces_are_passed_on() -> None:
    domain = Box.of_shape((32, 32, 32))
    membrane = (np.random.default_rng(3).random(domain.shape) < 0.05).astype(np.uint8) * 255
    runner = Runner(membrane, BlockGrid(domain, (4, 4, 4)), HeightParams(radius=3))
    for (level, _), table in runner.tables.items():
        assert len(table.outgoing) <= 6 * (4 << level) ** 2
        assert not np.isin(table.targets, table.keys[table.targets != table.keys]).any()


def test_lookup_replaces_only_its_keys() -> None:
    keys, targets = np.array([3, 7], np.uint64), np.array([30, 3], np.uint64)
    labels = np.array([[0, 3, 3], [7, 8, 3]], np.uint64)
    assert apply_lookup(labels, keys, targets).tolist() == [[0, 30, 30], [3, 8, 30]]
    assert labels[0, 1] == 3


def test_unlabelled_or_cyclic_exits_are_refused() -> None:
    region = Box.of_shape((1, 1, 9))
    exits = pack([(0, 0, 1), (0, 0, 2), (0, 0, 3)], region)
    with pytest.raises(CorruptData, match="without a label"):
        resolve_region([exits], np.zeros_like, region, region)
    with pytest.raises(CorruptData, match="form a cycle"):
        resolve_region([exits], lambda keys: np.roll(keys, 1), region, region)
