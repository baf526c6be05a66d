from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from voxome.geometry import BlockGrid, Box
from voxome.tools.em.synaptic.growth import grow, growth_halo, growth_steps

pytestmark = pytest.mark.slow

DOMAIN = Box((0, 0, 0), (6, 7, 8))
LABELS = npst.arrays(np.uint64, DOMAIN.shape, elements=st.sampled_from([0] * 12 + [3, 2**62, 2**62 + 1]))
SIZES = st.sampled_from([(10, 10, 10), (50, 4, 4), (20, 10, 10)])


def test_steps_are_isotropic_in_nm():
    assert growth_halo(growth_steps(60, (10, 10, 10))) == (6, 6, 6)
    assert growth_halo(growth_steps(60, (30, 5, 10))) == (2, 12, 6)
    assert growth_halo(growth_steps(29, (30, 10, 10))) == (0, 2, 2)


@given(LABELS)
def test_a_voxel_takes_the_smallest_label_of_its_neighbours(labels):
    grown = grow(labels, growth_steps(10, (10, 10, 10)))
    padded = np.pad(labels, 1)
    for at in np.ndindex(*labels.shape):
        steps = [sign * np.eye(3, dtype=int)[axis] for axis in range(3) for sign in (-1, 1)]
        around = [padded[tuple(np.add(at, 1) + step)] for step in steps]
        expected = labels[at] or min([label for label in around if label], default=0)
        assert grown[at] == expected


@given(LABELS, SIZES, st.integers(0, 60), st.tuples(*[st.integers(1, 8)] * 3))
def test_growth_does_not_depend_on_blocks(labels, size, reach, block):
    steps = growth_steps(reach, size)
    whole = grow(labels, steps)
    halo = growth_halo(steps)
    for b in BlockGrid(DOMAIN, block, halo=(halo, halo)):
        part = grow(labels[b.read.within(DOMAIN)], steps)[b.write.within(b.read)]
        np.testing.assert_array_equal(part, whole[b.write.within(DOMAIN)])
