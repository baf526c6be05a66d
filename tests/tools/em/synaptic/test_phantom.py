from __future__ import annotations

import numpy as np
import pytest

from voxome.data.phantom.write import phantom_arrays
from voxome.geometry import BlockGrid, Box
from voxome.metrics.detection import score_detections
from voxome.metrics.graph import Edges, score_graph
from voxome.resources.rows import combine, concatenate
from voxome.tools.common.components import local_components, object_rows, touching_pairs, union
from voxome.tools.em.synaptic.association import AssociationParams, associate, association_halo
from voxome.tools.em.synaptic.partners import partners
from voxome.tools.em.synaptic.score import PsdParams, psd_halo, psd_score
from voxome.tools.em.synaptic.tables import select_objects, synapse_table

pytestmark = pytest.mark.slow

DOMAIN = Box.of_shape((112, 128, 120))
SIZE = (10.0, 10.0, 10.0)
NEXT = ((0, 0, 0), (1, 1, 1))


@pytest.fixture(scope="module")
def phantom():
    return phantom_arrays(DOMAIN.shape, seed=1000)


def reads(block, halo):
    for b in BlockGrid(DOMAIN, block, halo=halo):
        yield b, b.read.within(DOMAIN), b.write.within(DOMAIN), b.write.within(b.read)


def find_synapses(raw, neurons, block):
    """Return the synapse table of a volume, computed block by block."""
    levels = {"median": float(np.median(raw)), "percentile_1": float(np.percentile(raw, 1))}
    score, local = np.zeros(raw.shape, np.uint8), np.zeros(raw.shape, np.uint64)
    for b, read, write, own in reads(block, (psd_halo(PsdParams(), SIZE),) * 2):
        score[write] = psd_score(raw[read], voxel_size_nm=SIZE, **levels)[own]
        local[write] = local_components(score[write] >= 80, b.write, DOMAIN)
    joined = union(concatenate([touching_pairs(local[read]) for _, read, _, _ in reads(block, NEXT)]))
    roots = dict(zip(joined["id"].tolist(), joined["root"].tolist(), strict=True))
    ids, place = np.unique(local, return_inverse=True)
    synapses = np.array([roots.get(i, i) for i in ids.tolist()], np.uint64)[place.reshape(local.shape)]
    parts = []
    for b, read, write, _ in reads(block, association_halo(AssociationParams(), SIZE)):
        cut = synapses[read], neurons[read], score[read]
        tables = associate(*cut, write=b.write, read=b.read, voxel_size_nm=SIZE)
        parts.append((*tables, object_rows(synapses[write], score[write], b.write, DOMAIN)))
    contacts, faces, objects = (concatenate(column) for column in zip(*parts, strict=True))
    pairs = partners(
        combine(contacts, ["synapse_id", "neuron_id"]), combine(faces, ["synapse_id", "a", "b"]), voxel_size_nm=SIZE
    )
    kept = select_objects(combine(objects, ["id"], {"peak": "max"}), min_voxels=100)
    return synapse_table(kept, pairs, domain=DOMAIN, voxel_size_nm=SIZE)


def places(rows):
    return np.stack([rows[f"{axis}_nm"] for axis in "zyx"], axis=1)


def edges(rows):
    return Edges(rows["pre_id"], rows["post_id"], rows["directed"])


def test_synapses_and_their_partners_are_found(phantom):
    raw, neurons, _, truth = phantom
    found = find_synapses(raw, neurons, DOMAIN.shape)
    ids = np.unique(neurons)
    assert len(truth["id"]) > 10
    assert score_detections(places(truth), places(found), tolerance_nm=100).f1 >= 0.95
    assert score_graph(edges(truth), edges(found), ids, ids).f1 >= 0.95


@pytest.mark.parametrize("block", [(50, 64, 33), (112, 40, 120)])
def test_the_synapse_table_does_not_depend_on_blocks(phantom, block):
    raw, neurons, _, _ = phantom
    whole = find_synapses(raw, neurons, DOMAIN.shape)
    found = find_synapses(raw, neurons, block)
    for name, column in whole.items():
        np.testing.assert_array_equal(found[name], column)
