"""Connections of bodies on the stand-in server."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from voxome.errors import InvalidInput
from voxome.remotes.dvid.annotations import AnnotationInstance
from voxome.remotes.dvid.connections import Connections
from voxome.remotes.dvid.elements import Element, Relation
from voxome.remotes.dvid.labels import Labels

pytestmark = pytest.mark.slow

# Pairs of bodies (from, to); body b is the slab from z = 8 b to 8 b + 7.
SYNAPSES = [(1, 2), (1, 2), (1, 3), (2, 1), (3, 3), (2, 0)]


def _elements():
    """Yield a presynaptic and a postsynaptic point in the two bodies of each synapse."""
    for at, (pre, post) in enumerate(SYNAPSES):
        here, there = (8 * pre + 1, at, 1), (8 * post + 2, at, 5)
        yield Element(here, "PreSyn", properties={"conf": "0.5"}, relations=(Relation("PreSynTo", there),))
        yield Element(there, "PostSyn", relations=(Relation("PostSynTo", here),))
    yield Element((8, 30, 30), "Note")


@pytest.fixture
def connections(node, create_instance):
    create_instance("labelmap", "segmentation", BlockSize="32,32,32")
    voxels = np.arange(4, dtype=np.uint64).repeat(8)[:, None, None] * np.ones((1, 32, 32), np.uint64)
    url = f"{node.api.base}/api/node/{node.uuid}/segmentation/raw/0_1_2/32_32_32/0_0_0"
    httpx.post(url, content=voxels.tobytes()).raise_for_status()
    create_instance("annotation", "synapses")
    httpx.post(f"{node.api.base}/api/node/{node.uuid}/synapses/sync", json={"sync": "segmentation"}).raise_for_status()
    synapses = AnnotationInstance(node, "synapses")
    synapses.post(_elements())
    return Connections(synapses, Labels(node, "segmentation"))


def test_synapses_are_counted(connections):
    rows = connections.counts([3, 1, 99])
    assert {name: values.tolist() for name, values in rows.items()} == {
        "body": [3, 1, 99],
        "pre": [1, 3, 0],
        "post": [2, 1, 0],
    }


def test_synapses_are_counted_by_partner(connections):
    rows = connections.connectivity([2, 1])
    found = list(zip(*(rows[name].tolist() for name in ("body", "partner", "direction", "synapses")), strict=True))
    assert found == [
        (1, 2, "upstream", 1),
        (1, 2, "downstream", 2),
        (1, 3, "downstream", 1),
        (2, 1, "upstream", 2),
        (2, 0, "downstream", 1),
        (2, 1, "downstream", 1),
    ]
    assert len(connections.connectivity([99])["body"]) == 0
    assert len(connections.connectivity([])["body"]) == 0


def test_synapses_are_counted_between_sources_and_targets(connections):
    expected = np.zeros((4, 4), np.int64)
    np.add.at(expected, tuple(np.transpose(SYNAPSES)), 1)
    for sources, targets in (([1, 2, 3], [3, 1, 2]), ([2], [1, 99, 3]), ([3, 2, 1], [2]), ([], [1]), ([1], [])):
        counts = np.array([[expected[s, t] if t < 4 else 0 for t in targets] for s in sources], np.int64)
        found = connections.adjacency(sources, targets)
        assert np.array_equal(found, counts.reshape(len(sources), len(targets)))
    with pytest.raises(InvalidInput, match="twice among the targets"):
        connections.adjacency([1], [2, 2])


def test_tables_have_one_row_per_point_or_relation(connections):
    rows = connections.synapse_rows([1])
    assert rows["kind"].tolist().count("PreSyn") == 3
    assert np.unique(rows["body"]).tolist() == [1]
    partners = connections.partner_rows([1])
    assert set(partners["z"][partners["direction"] == "downstream"].tolist()) == {9}
    assert sorted(partners["partner"].tolist()) == [2, 2, 2, 3]
    assert np.nanmax(partners["confidence"]) == 0.5
    assert "relations" in connections.synapse_rows([])


def test_connections_follow_a_merge(connections):
    connections.labels.merge(1, [2])
    rows = connections.connectivity([1])
    found = {(p, d): n for p, d, n in zip(rows["partner"].tolist(), rows["direction"], rows["synapses"], strict=True)}
    assert found == {
        (1, "upstream"): 3,
        (1, "downstream"): 3,
        (3, "downstream"): 1,
        (0, "downstream"): 1,
    }
