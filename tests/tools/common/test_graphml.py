"""Graphs that are too large for GraphML: nothing else is lost, and the file says so."""

from __future__ import annotations

import io
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from tools.common.blockwise import as_file
from tools.common.vessel_lines import thin_runs

from voxome.contracts.frame import Frame
from voxome.geometry import Box
from voxome.resources.rows import empty_rows
from voxome.tools.common import graphml
from voxome.tools.common.centre_lines import CENTRE_LINES
from voxome.tools.common.vessel_graph import vessel_graph
from voxome.tools.common.vessels.runs import RUNS, find_runs
from voxome.tools.common.vessels.seams import SEAMS


def test_tables_and_trees_of_a_graph_that_is_too_large_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mask = np.zeros((20, 20, 60), bool)
    mask[5:8, 5:8, 5:50], mask[12:15, 12:15, 5:50] = True, True
    box = Box.of_shape(mask.shape)
    frame, runs = Frame(box, box, (1000.0,) * 3, (0.0,) * 3), find_runs(mask, box)
    files = (
        as_file(tmp_path / "runs.parquet", runs, RUNS.columns),
        as_file(tmp_path / "lines.parquet", thin_runs(runs, frame), CENTRE_LINES.columns),
        as_file(tmp_path / "seams.parquet", empty_rows(SEAMS.columns), SEAMS.columns),
    )
    expected = vessel_graph(*files, frame=frame)
    monkeypatch.setattr(graphml, "MAX_ITEMS", 5)
    found = vessel_graph(*files, frame=frame)
    for name in ("vessels", "nodes", "points", "counts"):
        for column, values in expected[name].items():
            np.testing.assert_array_equal(found[name][column], values)
    assert found["trees"] == expected["trees"]
    graph = nx.read_graphml(io.BytesIO(found["graph"]))
    assert len(nx.read_graphml(io.BytesIO(expected["graph"]))) == 4
    assert len(graph) == 0
    assert "6 nodes and edges exceed its maximum, 5; use the tables" in graph.graph["left_out"]
    assert graph.graph["left_out"] in caplog.text
