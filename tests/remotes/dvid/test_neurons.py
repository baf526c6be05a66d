"""Properties of bodies against a real server's answers, and on the stand-in server."""

from __future__ import annotations

import pytest

from voxome.errors import InvalidInput, NotFound
from voxome.remotes.dvid.neurons import Neurons

A = {"bodyid": 1004, "status": "Anchor", "type": "T4a"}
B = {"bodyid": 1115, "instance": "T4b_R", "type": "T4b"}


def test_as_recorded(as_recorded):
    neurons = Neurons(as_recorded, "segmentation_annotations")
    assert neurons.get(1004) == A
    assert neurons.bodies() == [1004, 1115]
    assert neurons.all() == [A, B]
    assert neurons.many([1004, 1115]) == {1004: A, 1115: B}
    assert neurons.fields() == ["bodyid", "instance", "status", "type"]
    assert neurons.query_bodies({"type": "T4a"}, {"type": "T4b"}) == [1004, 1115]
    table = neurons.table()
    assert table.column_names == ["bodyid", "instance", "status", "type"]
    assert table.to_pylist() == [{"instance": None, **A}, {"status": None, **B}]
    with pytest.raises(NotFound, match="body 99999999 has no properties in segmentation_annotations"):
        neurons.get(99999999)


def test_set_queried_and_deleted(node, make):
    make("neuronjson", "neurons")
    neurons = Neurons(node, "neurons")
    assert (neurons.all(), neurons.bodies(), neurons.table().num_rows) == ([], [], 0)
    neurons.put(1004, {"type": "T4a", "status": "Traced", "size": 3, "parts": [1, 2]})
    neurons.put(1004, {"status": "Anchor"})
    neurons.put(1115, {"type": "T4b", "size": "big"})
    assert neurons.get(1004) == {"bodyid": 1004, "type": "T4a", "status": "Anchor", "size": 3, "parts": [1, 2]}
    assert "type_user" in neurons.get(1004, who=True)
    assert [neuron["bodyid"] for neuron in neurons.query({"type": "re/T4."}, who=True)] == [1004, 1115]
    assert neurons.query_bodies({"status": "exists/0"}) == [1115]
    assert neurons.table().column("size").to_pylist() == ["3", '"big"']
    assert neurons.table().column("parts").to_pylist() == ["[1, 2]", None]
    assert neurons.many([1115, 7]) == {1115: {"bodyid": 1115, "type": "T4b", "size": "big"}}
    neurons.delete(1115)
    assert neurons.bodies() == [1004]
    with pytest.raises(NotFound, match="body 1115 has no properties"):
        neurons.delete(1115)


def test_what_is_not_sent(as_recorded):
    neurons = Neurons(as_recorded, "segmentation_annotations")
    with pytest.raises(InvalidInput, match="body 5 cannot be set under body 4"):
        neurons.put(4, {"bodyid": 5})
    for nothing in ([], [{}]):
        with pytest.raises(InvalidInput, match="say which properties"):
            neurons.query(*nothing)
