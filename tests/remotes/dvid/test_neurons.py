"""Properties of bodies against recorded responses of a real server, and on the stand-in server."""

from __future__ import annotations

import pytest

from voxome.errors import InvalidInput, NotFound
from voxome.remotes.dvid.neurons import Neurons

A = {"bodyid": 1004, "status": "Anchor", "type": "T4a"}
B = {"bodyid": 1115, "instance": "T4b_R", "type": "T4b"}


def test_recorded_responses_are_parsed(recorded_node):
    neurons = Neurons(recorded_node, "segmentation_annotations")
    assert neurons.get(1004) == A
    assert neurons.bodies() == [1004, 1115]
    assert neurons.all() == [A, B]
    assert neurons.get_many([1004, 1115]) == {1004: A, 1115: B}
    assert neurons.fields() == ["bodyid", "instance", "status", "type"]
    assert neurons.query_bodies({"type": "T4a"}, {"type": "T4b"}) == [1004, 1115]
    table = neurons.table()
    assert table.column_names == ["bodyid", "instance", "status", "type"]
    assert table.to_pylist() == [{"instance": None, **A}, {"status": None, **B}]
    with pytest.raises(NotFound, match="no properties of body 99999999 in segmentation_annotations"):
        neurons.get(99999999)


@pytest.mark.slow
def test_properties_are_set_queried_and_deleted(node, create_instance):
    create_instance("neuronjson", "neurons")
    neurons = Neurons(node, "neurons")
    assert (neurons.all(), neurons.bodies(), neurons.table().num_rows) == ([], [], 0)
    neurons.put(1004, {"type": "T4a", "status": "Traced", "size": 3, "parts": [1, 2]})
    neurons.put(1004, {"status": "Anchor"})
    neurons.put(1115, {"type": "T4b", "size": "big"})
    assert neurons.get(1004) == {"bodyid": 1004, "type": "T4a", "status": "Anchor", "size": 3, "parts": [1, 2]}
    assert "type_user" in neurons.get(1004, provenance=True)
    assert [neuron["bodyid"] for neuron in neurons.query({"type": "re/T4."}, provenance=True)] == [1004, 1115]
    assert neurons.query_bodies({"status": "exists/0"}) == [1115]
    assert neurons.table().column("size").to_pylist() == ["3", '"big"']
    assert neurons.table().column("parts").to_pylist() == ["[1, 2]", None]
    assert neurons.get_many([1115, 7]) == {1115: {"bodyid": 1115, "type": "T4b", "size": "big"}}
    neurons.delete(1115)
    assert neurons.bodies() == [1004]
    with pytest.raises(NotFound, match="no properties of body 1115"):
        neurons.delete(1115)


def test_invalid_requests_are_not_sent(recorded_node):
    neurons = Neurons(recorded_node, "segmentation_annotations")
    with pytest.raises(InvalidInput, match="cannot set properties of body 5 for body 4"):
        neurons.put(4, {"bodyid": 5})
    empty: list[list[dict[str, object]]] = [[], [{}]]
    for nothing in empty:
        with pytest.raises(InvalidInput, match="no criteria"):
            neurons.query(*nothing)
