from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from voxome.resources.table import TableFile
from voxome.viewer import segment_table
from voxome.viewer.segment_table import neuron_properties

IDS = np.array([7, 2**63 + 5, 9], np.uint64)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[TableFile, TableFile]:
    pq.write_table(pa.table({"id": IDS, "voxels": np.array([5, 2**33, 20])}), tmp_path / "neurons.parquet")
    ends = {"pre_id": IDS[[1, 1, 0]], "post_id": np.array([7, 9, 11], np.uint64)}
    pq.write_table(pa.table(ends), tmp_path / "synapses.parquet")
    return TableFile(f"{tmp_path}/neurons.parquet"), TableFile(f"{tmp_path}/synapses.parquet")


def test_neurons_have_sizes_and_counts_of_synapses(tables: tuple[TableFile, TableFile]) -> None:
    content = neuron_properties(*tables, (10, 10, 10))
    assert content is not None
    assert content["inline"]["ids"] == [str(one) for one in IDS.tolist()]
    values = {one["id"]: (one["data_type"], one["values"]) for one in content["inline"]["properties"]}
    assert values == {
        "voxels": ("float32", [5.0, float(2**33), 20.0]),
        "volume_um3": ("float32", [5e-6, 8589.93, 2e-5]),
        "synapses_out": ("uint32", [1, 2, 0]),
        "synapses_in": ("uint32", [1, 0, 1]),
    }


def test_without_a_voxel_size_or_synapses_there_are_voxels_only(tables: tuple[TableFile, TableFile]) -> None:
    content = neuron_properties(tables[0], None, None)
    assert content is not None
    assert [one["id"] for one in content["inline"]["properties"]] == ["voxels"]


def test_more_neurons_than_a_viewer_lists_have_no_numbers(
    tables: tuple[TableFile, TableFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_table, "MOST_LISTED", 2)
    assert neuron_properties(*tables, None) is None
