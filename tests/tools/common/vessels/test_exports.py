"""GraphML and SWC hold loops: one as they are, the other cut and listed."""

from __future__ import annotations

import io

import networkx as nx
import numpy as np
import pytest
from tools.common.vessel_lines import thin_runs

from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.tools.common.vessels.exports import vessel_graphml, vessel_swc
from voxome.tools.common.vessels.network import Network, vessel_network
from voxome.tools.common.vessels.runs import find_runs


def rings() -> Network:
    """A ring with a bar through it, whose ends leave the volume, and a ring of its own."""
    z, y, x = np.mgrid[:11, :50, :100]
    flat = (z - 5) ** 2
    mask = (np.hypot(y - 25, x - 25) - 16) ** 2 + flat <= 6
    mask |= ((y - 25) ** 2 + flat <= 6) & (x < 50)
    mask |= (np.hypot(y - 25, x - 75) - 16) ** 2 + flat <= 6
    box = Box.of_shape(mask.shape)
    frame = Frame(box, box, (1000.0,) * 3, (0.0,) * 3)
    runs = find_runs(mask, box)
    return vessel_network(runs, thin_runs(runs, frame), frame, 2.0)


def test_graphml_keeps_loops_and_several_branches_between_the_same_nodes() -> None:
    network = rings()
    document = vessel_graphml(network.branches, network.nodes)
    graph = nx.read_graphml(io.BytesIO(document), node_type=int, force_multigraph=True)
    assert not graph.is_directed()
    assert graph.number_of_nodes() == len(network.nodes["id"])
    assert graph.number_of_edges() == len(network.branches["id"])
    cycle_rank = graph.number_of_edges() - graph.number_of_nodes() + nx.number_connected_components(graph)
    assert cycle_rank == network.counts["loops"][0] == 3
    assert nx.number_of_selfloops(graph) == 1
    lengths = sorted(data["length_nm"] for *_, data in graph.edges(data=True))
    assert lengths == pytest.approx(sorted(network.branches["length_nm"].tolist()))
    assert {data["on_face"] for _, data in graph.nodes(data=True)} == {True, False}


def test_swc_is_a_forest_whose_cuts_close_the_loops() -> None:
    network = rings()
    lines = vessel_swc(network.branches, network.nodes, network.points).decode().splitlines()
    samples = np.array([line.split() for line in lines if not line.startswith("#")], float)
    cuts = [line for line in lines if line.startswith("# cut: ")]
    assert len(cuts) == network.counts["loops"][0]
    number, parent = samples[:, 0].astype(int), samples[:, 6].astype(int)
    assert number.tolist() == list(range(1, len(samples) + 1))
    assert (parent < number).all()
    assert (parent == -1).sum() == network.counts["objects"][0]
    assert (samples[:, 5] > 0).all()
    joins = [(int(a), int(b)) for a, b in ((line.split()[5], line.split()[8]) for line in cuts)]
    edges = [(a, b) for a, b in zip(number, parent, strict=True) if b > 0] + joins
    length = sum(float(np.linalg.norm(samples[a - 1, 2:5] - samples[b - 1, 2:5])) for a, b in edges)
    assert length == pytest.approx(network.branches["length_nm"].sum() / 1000, rel=1e-4)
    assert samples[:, 2].min() == pytest.approx(-0.5, abs=0.11)  # x is the first coordinate


def test_samples_of_swc_are_as_exact_far_from_0() -> None:
    network, offset = rings(), {"z_nm": 3e9, "y_nm": 1e7 + 0.3, "x_nm": -2e8}
    moved = [
        {name: values + offset[name] if name in offset else values for name, values in rows.items()}
        for rows in (network.nodes, network.points)
    ]
    near, far = (
        np.loadtxt(vessel_swc(network.branches, *tables).decode().splitlines())
        for tables in ((network.nodes, network.points), moved)
    )
    np.testing.assert_allclose(far[:, 2:5] - np.array([*offset.values()])[::-1] / 1000, near[:, 2:5], atol=2e-4)
    assert far[:, 5:].tolist() == near[:, 5:].tolist()
