from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.resources.rows import combine, concatenate
from voxome.tools.em.synaptic.association import AssociationParams, associate, association_halo

DOMAIN = Box((4, 0, -3), (18, 12, 11))
SIZE = (10, 10, 10)
SMALL = AssociationParams(gap_nm=10, contact_nm=20)
BIG = 2**62


def arrays(seed):
    """Return random clumps of synapses, neurons and a score."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6, (2, 7, 6, 7))
    clumps = coarse.repeat(2, 1).repeat(2, 2).repeat(2, 3).astype(np.uint64)
    synapses = np.where(clumps[0] > 3, clumps[0] + np.uint64(BIG), np.uint64(0))
    return synapses, clumps[1], rng.integers(0, 256, DOMAIN.shape).astype(np.uint8)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), st.tuples(*[st.integers(2, 14)] * 3))
def test_rows_do_not_depend_on_blocks(seed, block):
    volumes = arrays(seed)
    whole = associate(*volumes, write=DOMAIN, read=DOMAIN, voxel_size_nm=SIZE, params=SMALL)
    parts = []
    for b in BlockGrid(DOMAIN, block, halo=association_halo(SMALL, SIZE)):
        cut = [v[b.read.within(DOMAIN)] for v in volumes]
        parts.append(associate(*cut, write=b.write, read=b.read, voxel_size_nm=SIZE, params=SMALL))
    keys = (["synapse_id", "neuron_id"], ["synapse_id", "a", "b"])
    for expected, rows, key in zip(whole, zip(*parts, strict=True), keys, strict=True):
        folded = combine(concatenate(rows), key)
        assert folded.keys() == expected.keys()
        for name, column in expected.items():
            np.testing.assert_array_equal(folded[name], column)


def test_counts_of_a_known_scene_are_correct():
    neurons = np.zeros((9, 9, 9), np.uint64)
    neurons[:, :, :4] = 1
    neurons[:, :, 5:] = 2
    synapses = np.zeros_like(neurons)
    synapses[3:6, 3:6, 2:5] = 7
    score = np.where(synapses != 0, 100, 0).astype(np.uint8)
    box = Box.of_shape(neurons.shape)
    params = AssociationParams(gap_nm=10, contact_nm=0)
    contacts, faces = associate(synapses, neurons, score, write=box, read=box, voxel_size_nm=SIZE, params=params)
    assert contacts["neuron_id"].tolist() == [1]
    assert (contacts["voxels"].tolist(), contacts["dark"].tolist()) == ([27], [2700])
    assert [faces[name].tolist() for name in ("synapse_id", "a", "b", "z", "y", "x")] == [[7], [1], [2], [0], [0], [9]]


@given(npst.arrays(np.uint64, (4, 4, 4), elements=st.integers(0, 2)))
def test_without_synapses_tables_are_empty(neurons):
    box = Box.of_shape(neurons.shape)
    zero = np.zeros(neurons.shape, np.uint8)
    tables = associate(zero.astype(np.uint64), neurons, zero, write=box, read=box, voxel_size_nm=SIZE)
    assert all(len(column) == 0 for rows in tables for column in rows.values())


def test_arrays_that_do_not_fill_the_read_box_are_refused():
    synapses, neurons, score = arrays(0)
    with pytest.raises(InvalidInput, match="neurons has shape"):
        associate(synapses, neurons[1:], score, write=DOMAIN, read=DOMAIN, voxel_size_nm=SIZE)
