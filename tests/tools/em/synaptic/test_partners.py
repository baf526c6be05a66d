from __future__ import annotations

import io

import networkx as nx
import numpy as np
import pytest

from voxome.geometry import Box
from voxome.tools.em.synaptic.graphml import graphml
from voxome.tools.em.synaptic.partners import PartnerParams, connectome, contact_area_um2, partners
from voxome.tools.em.synaptic.tables import neuron_table, select_objects, synapse_table

SIZE = (10, 10, 10)
PARAMS = PartnerParams(min_area_um2=0.002, min_asymmetry=0.2)


def table(names, rows):
    columns = np.array(rows, object).reshape(-1, len(names.split())).T
    return {
        name: column.astype(np.uint64 if name in ("synapse_id", "neuron_id", "a", "b", "id") else np.int64)
        for name, column in zip(names.split(), columns, strict=True)
    }


CONTACTS = table(
    "synapse_id neuron_id dark",
    [(10, 1, 100), (10, 2, 900), (10, 3, 5000), (11, 1, 300), (11, 2, 310), (12, 1, 500), (12, 2, 1)],
)
FACES = table(
    "synapse_id a b z y x",
    [
        (10, 1, 2, 30, 40, 0),
        (10, 1, 3, 0, 0, 49),
        (11, 1, 2, 0, 0, 60),
        (12, 1, 2, 0, 10, 0),
    ],
)
FOUND = partners(CONTACTS, FACES, voxel_size_nm=SIZE, params=PARAMS)


def test_partners_have_the_largest_contact_and_the_presynaptic_one_most_dark_voxels():
    assert FOUND["synapse_id"].tolist() == [10, 11]
    assert FOUND["pre_id"].tolist() == [2, 1]
    assert FOUND["post_id"].tolist() == [1, 2]
    assert FOUND["directed"].tolist() == [True, False]
    np.testing.assert_allclose(FOUND["area_um2"], [50e-4, 60e-4])


def test_ties_of_contacts_are_broken_by_the_smallest_ids():
    faces = table("synapse_id a b z y x", [(1, 4, 5, 50, 0, 0), (1, 3, 5, 0, 50, 0)])
    found = partners(CONTACTS, faces, voxel_size_nm=SIZE, params=PARAMS)
    assert (found["pre_id"].tolist(), found["post_id"].tolist(), found["directed"].tolist()) == ([3], [5], [False])


@pytest.mark.parametrize("normal", [(1, 0, 0), (1, 1, 0), (1, 2, 3)])
@pytest.mark.parametrize("size", [(10, 10, 10), (40, 8, 4)])
def test_area_of_a_tilted_plane_is_exact(normal, size):
    n = 60
    grid = np.stack(np.meshgrid(*[(np.arange(n) + 0.5 - n / 2) * s for s in size], indexing="ij"), axis=-1)
    unit = np.array(normal) / np.linalg.norm(normal)
    side = grid @ unit > 0.01
    counts = [np.array([(np.diff(side, axis=axis) != 0).sum()]) for axis in range(3)]
    # the plane's cut through the box: its shadow along z is the box's whole face when it is not too steep
    area = contact_area_um2(dict(zip("zyx", counts, strict=True)), size)[0]
    shadow = counts[0][0] * size[1] * size[2] / 1e6
    assert area == pytest.approx(shadow / unit[0], rel=0.05)


def test_connectome_counts_synapses_of_distinct_edges():
    rows = {
        "pre_id": np.array([2, 1, 2, 1], np.uint64),
        "post_id": np.array([1, 2, 1, 2], np.uint64),
        "directed": np.array([True, True, True, False]),
        "area_um2": np.array([0.1, 0.2, 0.3, 0.4]),
    }
    graph = connectome(rows)
    edges = list(zip(*(graph[k].tolist() for k in ("pre_id", "post_id", "directed", "synapses")), strict=True))
    assert edges == [(1, 2, False, 1), (1, 2, True, 1), (2, 1, True, 2)]
    np.testing.assert_allclose(graph["area_um2"], [0.4, 0.2, 0.4])


OBJECTS = table(
    "id voxels z y x score peak", [(11, 10, 20, 30, 40, 1275, 200), (10, 4, 8, 0, 4, 1020, 255), (12, 9, 9, 9, 9, 9, 9)]
)
DOMAIN = Box((100, 0, -5), (200, 9, 9))


def test_the_synapse_table_has_ids_and_positions_in_nm():
    rows = synapse_table(OBJECTS, FOUND, domain=DOMAIN, voxel_size_nm=(10, 4, 4), offset_nm=(0, 2, 0))
    assert rows["id"].tolist() == [1, 2]
    assert rows["z_nm"].tolist() == [1020, 1020]
    assert rows["y_nm"].tolist() == [2, 14]
    assert rows["x_nm"].tolist() == [-16, -4]
    assert rows["score"].tolist() == [1.0, 0.5]
    assert rows["size_voxels"].tolist() == [4, 10]
    assert rows["pre_id"].tolist() == [2, 1]


def test_without_voxel_size_positions_are_empty():
    rows = neuron_table(OBJECTS, domain=DOMAIN, voxel_size_nm=None)
    assert np.isnan(rows["z_nm"]).all()
    assert rows["voxels"].tolist() == [10, 4, 9]


def test_objects_are_selected_by_size_and_score():
    assert select_objects(OBJECTS, min_voxels=5, min_peak=100)["id"].tolist() == [11]
    assert select_objects(OBJECTS, min_voxels=1)["id"].tolist() == [11, 10]


def test_graphml_is_read_by_networkx():
    neurons = neuron_table(
        table("id voxels z y x", [(1, 5, 5, 5, 5), (2, 7, 7, 7, 7)]), domain=DOMAIN, voxel_size_nm=SIZE
    )
    data = graphml(connectome(FOUND), neurons)
    graph = nx.read_graphml(io.BytesIO(data), node_type=int, force_multigraph=True)
    assert sorted((a, b, d["directed"], d["synapses"]) for a, b, d in graph.edges(data=True)) == [
        (1, 2, False, 1),
        (2, 1, True, 1),
    ]
    assert graph.nodes[2]["voxels"] == 7
    assert type(graph.nodes[2]["voxels"]) is int
    assert all(type(d["synapses"]) is int for _, _, d in graph.edges(data=True))
    assert sorted(key for _, _, key in graph.edges(keys=True)) == ["e0", "e1"]


def test_without_contacts_tables_are_empty():
    none = {name: column[:0] for name, column in FACES.items()}
    found = partners({k: v[:0] for k, v in CONTACTS.items()}, none, voxel_size_nm=SIZE)
    rows = synapse_table({k: v[:0] for k, v in OBJECTS.items()}, found, domain=DOMAIN, voxel_size_nm=SIZE)
    assert all(len(column) == 0 for column in (*rows.values(), *connectome(found).values()))
