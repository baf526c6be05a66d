"""SWC: parents first, in nm, and the same graph after writing and reading."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from voxome.contracts.shapes import Skeleton
from voxome.errors import CorruptData, InvalidInput
from voxome.remotes.swc_format import decode_swc, encode_swc
from voxome.testing.volume_case import any_example


def rows_of(text: str) -> np.ndarray:
    return np.array([line.split() for line in text.splitlines() if not line.startswith("#")], float).reshape(-1, 7)


def graph_of(skeleton: Skeleton) -> tuple[Any, Any]:
    """Nodes with their values, and edges, by position; it does not depend on the order of the nodes."""
    types = skeleton.attributes.get("swc_type", np.zeros(len(skeleton.nodes_nm)))
    radii = np.nan_to_num(skeleton.radii_nm)
    nodes = [
        (*at, float(radius), int(one)) for at, radius, one in zip(skeleton.nodes_nm.tolist(), radii, types, strict=True)
    ]
    return sorted(nodes), sorted(sorted([nodes[a], nodes[b]]) for a, b in skeleton.edges.tolist())


def round_trip(skeleton: Skeleton) -> Skeleton:
    text = encode_swc(skeleton)
    rows = rows_of(text)
    assert rows[:, 0].tolist() == list(range(1, len(rows) + 1))
    assert ((rows[:, 6] < rows[:, 0]) & ((rows[:, 6] >= 1) | (rows[:, 6] == -1))).all()
    return decode_swc(text, "5.swc")


@pytest.mark.slow
@any_example
@given(count=st.integers(1, 30), seed=st.integers(0, 10_000), extra=st.integers(0, 5), roots=st.integers(1, 3))
def test_any_graph_is_the_same_after_a_round_trip(count: int, seed: int, extra: int, roots: int) -> None:
    """Trees, forests, and graphs with cycles, in any order and direction of edges."""
    random = np.random.default_rng(seed)
    edges = {(node, int(random.integers(0, node))) for node in range(1, count) if node % 10 >= roots}
    edges |= {tuple(sorted(random.choice(count, 2, replace=False).tolist())) for _ in range(extra if count > 1 else 0)}
    edges = {tuple(sorted(edge)) for edge in edges}
    shuffled = random.permutation(count)
    pairs = np.array([shuffled[list(edge)][:: random.choice([1, -1])] for edge in edges]).reshape(-1, 2)
    skeleton = Skeleton(
        random.uniform(-1e5, 1e5, (count, 3)),
        pairs,
        random.uniform(1, 90, count),
        {"swc_type": random.integers(0, 7, count)},
    )
    assert graph_of(round_trip(skeleton)) == graph_of(skeleton)


def test_a_tree_in_order_keeps_its_rows() -> None:
    nodes = [[0.1, 2, 3], [4, 5, 1e7 + 1 / 3], [7, 8, 9]]
    skeleton = Skeleton(nodes, [[1, 0], [2, 0]], [1.5, np.nan, 0.1], {"swc_type": np.array([1, 2, 3])})
    back = round_trip(skeleton)
    assert_array_equal(back.nodes_nm, skeleton.nodes_nm)
    assert_array_equal(back.edges, skeleton.edges)
    assert_array_equal(back.radii_nm, skeleton.radii_nm)
    assert back.attributes["swc_type"].tolist() == [1, 2, 3]
    assert back.parents.tolist() == [-1, 0, 0]


@pytest.mark.slow
def test_more_nodes_than_16_bits_count_survive() -> None:
    count = 70_000
    order = np.random.default_rng(0).permutation(count)
    at = np.stack([np.arange(count), np.zeros(count), np.zeros(count)], axis=1).astype(float)
    nodes = np.empty_like(at)
    nodes[order] = at
    skeleton = Skeleton(nodes, np.stack([order[1:], order[:-1]], axis=1), np.ones(count))
    back = round_trip(skeleton)
    assert len(back.nodes_nm) == count
    assert back.length_nm == count - 1
    assert (np.abs(np.diff(back.nodes_nm[back.edges][:, :, 0], axis=1)) == 1).all()


def test_a_single_node_and_none() -> None:
    assert round_trip(Skeleton([[1, 2, 3]], np.zeros((0, 2)), [5])).nodes_nm.tolist() == [[1, 2, 3]]
    assert round_trip(Skeleton(np.zeros((0, 3)), np.zeros((0, 2)), [])).nodes_nm.shape == (0, 3)


def test_the_header_says_unit_and_frame() -> None:
    text = encode_swc(Skeleton([[1, 2, 3]], np.zeros((0, 2)), [5]), 2**63 + 5)
    assert text.startswith("# voxome: x, y, z and radius in nm from the corner of voxel 0\n")
    assert '# Meta: {"units": "1 nanometer", "id": "9223372036854775813"}' in text
    assert text.endswith("\n1 0 3.0 2.0 1.0 5.0 -1\n")


def test_attributes_without_a_place_are_named(caplog: pytest.LogCaptureFixture) -> None:
    skeleton = Skeleton([[1, 2, 3]], np.zeros((0, 2)), [5], {"swc_type": np.array([1]), "score": np.array([2.0])})
    with caplog.at_level(logging.WARNING):
        text = encode_swc(skeleton)
    assert "SWC has no place for the attributes score" in caplog.text
    assert "# left out: score\n" in text
    assert set(decode_swc(text, "5.swc").attributes) == {"swc_type"}


BODY = "1 1 1 2 3 0.5 -1\n2 3 1 2 4 -1 1\n"


@pytest.mark.parametrize(
    ("header", "unit", "size"),
    [
        ("", "um", 1e3),
        ("", "nm", 1),
        ('# Meta: {"units": "1 micrometer"}\n', None, 1e3),
        ('# Meta: {"units": "nm"}\n', None, 1),
        ('# Meta: {"units": "µm", "id": 5}\n', None, 1e3),
        ('# Meta: {"units": "1 nanometer"}\n', "mm", 1e6),
    ],
)
def test_the_unit_is_taken_from_the_header_or_given(header: str, unit: str | None, size: float) -> None:
    found = decode_swc(header + BODY, "5.swc", unit)
    assert found.nodes_nm.tolist() == [[3 * size, 2 * size, size], [4 * size, 2 * size, size]]
    assert found.radii_nm[0] == 0.5 * size
    assert np.isnan(found.radii_nm[1])


@pytest.mark.parametrize("meta", ["", "# Meta: {broken\n", '# Meta: {"units": "8 nanometer"}\n', '# Meta: {"id": 5}\n'])
def test_an_unknown_unit_is_not_guessed(meta: str) -> None:
    with pytest.raises(InvalidInput, match=r"5\.swc: its header says no unit; give it: unit=nm, um, mm"):
        decode_swc(meta + BODY, "5.swc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0 0 0 1\n", r"line 1 is '1 0 0 0 0 1'; expected seven numbers"),
        ("1 0 0 0 0 1 -1\n1 0 0 0 0 1 -1\n", "a node id occurs twice"),
        ("1 0 0 0 0 1 7\n", "node 1 has parent 7, which is missing"),
        ("# repeats: [[9, 1]]\n1 0 0 0 0 1 -1\n", "which nodes are repeated"),
    ],
)
def test_damaged_files_are_corrupt(text: str, message: str) -> None:
    with pytest.raises(CorruptData, match=message):
        decode_swc(text, "5.swc", "nm")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_navis_reads_our_files(tmp_path: Path) -> None:
    navis = pytest.importorskip("navis")
    random = np.random.default_rng(1)
    edges = [(node, int(random.integers(0, node))) for node in range(1, 40) if node not in (20, 30)]
    skeleton = Skeleton(
        random.uniform(0, 1e4, (40, 3)), edges, random.uniform(5, 50, 40), {"swc_type": random.integers(0, 5, 40)}
    )
    (tmp_path / "5.swc").write_text(encode_swc(skeleton, 5))
    neuron = navis.read_swc(tmp_path / "5.swc")
    assert neuron.n_trees == 3
    assert str(neuron.units) == "1 nanometer"
    assert neuron.cable_length == pytest.approx(skeleton.length_nm, rel=1e-5)
    assert_array_equal(neuron.nodes["label"].astype(int), skeleton.attributes["swc_type"])
    np.testing.assert_allclose(neuron.nodes[["z", "y", "x"]], skeleton.nodes_nm, rtol=1e-6)
    navis.write_swc(neuron, tmp_path / "6.swc")
    assert decode_swc((tmp_path / "6.swc").read_text(), "6.swc").length_nm == pytest.approx(
        skeleton.length_nm, rel=1e-5
    )
