"""Graph of the vessels of a phantom."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from voxome.data.vascular.graph import _join, _Piece, to_networkx, vessel_graph
from voxome.data.vascular.network import PITCH_UM, draw_lattice, vessels_in

LOW, HIGH = np.full(3, -0.325), np.full(3, 259.675)

pytestmark = pytest.mark.slow


def test_branches_have_the_length_of_the_centre_lines_inside() -> None:
    lattice = draw_lattice(np.uint64(4))
    nodes, branches = vessel_graph(lattice, LOW, HIGH)
    vessels = vessels_in(lattice, LOW, HIGH)
    middle = (vessels.lines[:, 1:, :3] + vessels.lines[:, :-1, :3]) / 2.0
    steps = np.linalg.norm(np.diff(vessels.lines[:, :, :3], axis=1), axis=2)
    inside = ((middle >= LOW) & (middle < HIGH)).all(axis=2)
    blind = vessels.edges[:, 4] == 1
    ends = vessels.lines[blind, -1]
    ends = ends[((ends[:, :3] >= LOW) & (ends[:, :3] < HIGH)).all(axis=1)]
    expected = steps[inside].sum() + ends[:, 3].sum()
    assert branches["length_nm"].sum() / 1000.0 == pytest.approx(expected, rel=2e-3)
    assert (nodes["degree"] == 1).sum() == nodes["on_face"].sum() + len(ends)


def test_three_vessels_meet_at_every_branch_point_and_loops_are_closed() -> None:
    nodes, branches = vessel_graph(draw_lattice(np.uint64(4)), LOW, HIGH)
    assert set(nodes["degree"]) == {1, 3}
    assert nodes["degree"].sum() == 2 * len(branches["id"])
    places = np.stack([nodes[f"{axis}_nm"] for axis in "zyx"], axis=1) / 1000.0
    to_face = np.minimum(places - LOW, HIGH - places).min(axis=1)
    np.testing.assert_allclose(to_face[nodes["on_face"]], 0.0, atol=1e-9)
    assert (to_face[~nodes["on_face"]] > 0).all()
    graph = to_networkx(nodes, branches)
    assert graph.number_of_edges() - graph.number_of_nodes() + nx.number_connected_components(graph) > 5


def test_vessels_of_a_region_are_those_of_a_larger_one() -> None:
    lattice = draw_lattice(np.uint64(4))
    part, whole = vessels_in(lattice, LOW, LOW + 60.0), vessels_in(lattice, LOW - 100.0, HIGH)
    row = {tuple(edge): n for n, edge in enumerate(whole.edges.tolist())}
    at = [row[tuple(edge)] for edge in part.edges.tolist()]
    np.testing.assert_array_equal(part.lines, whole.lines[at])


def test_vessels_are_apart_except_at_their_nodes() -> None:
    vessels = vessels_in(draw_lattice(np.uint64(4)), LOW, HIGH)
    nodes = [
        {tuple(edge[:3]), tuple(end)} for edge, end in zip(vessels.edges.tolist(), vessels.ends.tolist(), strict=True)
    ]
    for n, line in enumerate(vessels.lines):
        for m in range(n):
            if not nodes[n] & nodes[m] and np.abs(line[64, :3] - vessels.lines[m, 64, :3]).max() < 2 * PITCH_UM:
                other = vessels.lines[m]
                gaps = (
                    np.linalg.norm(line[::4, None, :3] - other[None, ::4, :3], axis=2)
                    - line[::4, None, 3]
                    - other[::4, 3]
                )
                assert gaps.min() > 1.0


def test_a_ring_without_branch_points_is_a_loop_of_one_node() -> None:
    ring = [_Piece(("a", "b"), 1.0, 2.0), _Piece(("c", "b"), 2.0, 4.0), _Piece(("c", "a"), 4.0, 8.0)]
    (branch,) = _join(ring)
    assert branch.nodes[0] == branch.nodes[1]
    assert (branch.length, branch.radius_length) == (7.0, 14.0)


def test_parallel_branches_and_loops_at_a_branch_point_are_kept() -> None:
    nodes = ["ab", "ac", "cb", "ad", "be", "ef", "fe"]
    pieces = [_Piece((one[0], one[1]), 1.0, 1.0) for one in nodes]
    branches = sorted((*sorted(piece.nodes), piece.length) for piece in _join(pieces))
    assert branches == [("a", "b", 1.0), ("a", "b", 2.0), ("a", "d", 1.0), ("b", "e", 1.0), ("e", "e", 2.0)]
