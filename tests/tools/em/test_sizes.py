"""Sizes in nm and cubic micrometres, for voxels of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from voxome.contracts.frame import Frame
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.table import TableFile
from voxome.tools.em.agglomerate import agglomerate
from voxome.tools.em.edges import EDGE_SUMS, NODE_SUMS, face_weights
from voxome.tools.em.fragments import fragments
from voxome.tools.em.kernels.affinity import NEAR
from voxome.tools.em.kernels.edges import edge_rows
from voxome.tools.em.kernels.height import HeightParams, height_halo

ISOTROPIC, ANISOTROPIC = (10.0, 10.0, 10.0), (40.0, 10.0, 10.0)


def test_lengths_of_fragments_are_12_voxels_at_10_nm_and_in_proportion_elsewhere() -> None:
    spec = fragments.spec
    assert spec.compute_halo(spec.bind({}), ISOTROPIC) == (height_halo(HeightParams()),) * 2
    assert spec.compute_halo(spec.bind({}), (20, 20, 20)) == ((6 + 1 + 1,) * 3,) * 2
    assert spec.compute_halo(spec.bind({}), (4, 4, 4)) == ((16 + 7 + 1,) * 3,) * 2
    z, y, x = spec.compute_halo(spec.bind({}), ANISOTROPIC)[0]
    assert (z, y, x) == height_halo(HeightParams(spacing=(4.0, 1.0, 1.0)))


@pytest.fixture
def tables(tmp_path: Path) -> tuple[TableFile, TableFile]:
    """Two fragments of 600 voxels that do not belong together, and one of 5000."""
    edges = {"a": [1, 2], "b": [2, 3]} | {name: [10, 10] for name in EDGE_SUMS}
    nodes = {"id": [1, 2, 3]} | {name: [0, 0, 9] for name in NODE_SUMS} | {"voxels": [600, 600, 5000], "rim": [9, 9, 9]}
    for name, table in (("edges", edges), ("nodes", nodes)):
        ids = [column for column in table if column in ("a", "b", "id")]
        columns = {c: pa.array(v, pa.uint64() if c in ids else pa.int64()) for c, v in table.items()}
        parquet.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    return TableFile(tmp_path / "edges.parquet"), TableFile(tmp_path / "nodes.parquet")


def frame(size: tuple[float, float, float] | None) -> Frame:
    box = Box.of_shape((40, 40, 40))
    return Frame(box, box, size, (0.0, 0.0, 0.0))


def test_neurons_of_the_same_volume_are_kept_whatever_the_voxel_size(tables: tuple[TableFile, TableFile]) -> None:
    at_10_nm, at_40_nm = (
        agglomerate(*tables, threshold=1.0, method="mean", holes=False, frame=frame(size))["objects"]["voxels"]
        for size in (ISOTROPIC, ANISOTROPIC)
    )
    assert sorted(at_10_nm.tolist()) == [6200]
    assert sorted(at_40_nm.tolist()) == [600, 600, 5000]


def test_a_volume_needs_a_voxel_size(tables: tuple[TableFile, TableFile]) -> None:
    with pytest.raises(InvalidInput, match="voxel size of these tables is unknown"):
        agglomerate(*tables, threshold=1.0, method="mean")
    assert len(np.unique(agglomerate(*tables, threshold=1.0, method="mean", min_volume_um3=0)["lookup"]["label"])) == 3


@pytest.mark.slow
def test_pairs_of_voxels_count_by_the_area_of_their_faces() -> None:
    assert face_weights(ISOTROPIC) == face_weights((8.0, 8.0, 8.5)) == [1, 1, 1]
    labels = np.repeat(np.array([1, 2], np.uint64), 4).reshape(2, 2, 2)
    affinities = np.full((3, 2, 2, 2), 100, np.uint8)
    across_z = edge_rows(labels, affinities, NEAR, (2, 2, 2), weights=face_weights(ANISOTROPIC))
    across_x = edge_rows(labels.T, affinities, NEAR, (2, 2, 2), weights=face_weights(ANISOTROPIC))
    assert across_z.values.tolist() == [[400, 4]]
    assert across_x.values.tolist() == [[1600, 16]]
