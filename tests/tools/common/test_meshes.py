"""Meshes of all objects of a segmentation, by the tools of blocks and of groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.meshing.surfaces import face_counts, join_blocks, random_labels

import voxome
from voxome.contracts import id_groups
from voxome.registry import load
from voxome.resources.table import TableFile
from voxome.workflow.chain import chain_of, run_chain
from voxome.workflow.options import RunOptions

pytestmark = pytest.mark.slow
SIZE = (40.0, 16.0, 8.0)


def run(labels: NDArray[Any], folder: Path, block: tuple[int, int, int], **parameters: Any) -> tuple[Any, Any]:
    """Return the meshes and the table of all objects."""
    uri = f"zarr://{folder}/labels.zarr"
    spec = voxome.VolumeSpec.of(labels.shape, labels.dtype, kind="labels", voxel_size_nm=SIZE)
    voxome.create(uri, spec)[...] = labels
    specs = [load("voxome.tools", name).spec for name in ("common.mesh_pieces", "common.meshes")]
    handles = run_chain(
        chain_of("meshes", *specs),
        {"labels": uri, **parameters},
        store=folder / "run",
        options=RunOptions(block=block),
        engine="sequential",
        into={"meshes": f"precomputed://{folder}/mesh?format=legacy"},
    )
    return voxome.open(f"precomputed://{folder}/mesh"), TableFile(handles["objects"].uri).read()


@pytest.mark.parametrize("block", [(16, 16, 16), (17, 17, 17), (9, 48, 5)])
def test_all_objects_have_the_faces_of_the_whole(
    block: tuple[int, int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_groups, "_VOXELS", 2000)
    ids = (0, 3, 2**53, 2**53 + 1, 2**63 + 5, 2**64 - 2)
    labels = random_labels((20, 21, 18), ids=ids)
    meshes, table = run(labels, tmp_path, block)
    assert meshes.ids().tolist() == table["id"].tolist() == list(ids[1:])
    for id, (vertices, faces) in join_blocks(labels, labels.shape).items():
        mesh = meshes[id]
        found = np.round(mesh.vertices_nm / (np.array(SIZE) / 2)).astype(np.int64)
        assert face_counts(found, mesh.faces) == face_counts(vertices, faces)
    assert table["voxels"].tolist() == [np.count_nonzero(labels == np.uint64(id)) for id in ids[1:]]
    assert table["watertight"].all()
    assert (table["error_nm"] == 0).all()


def test_dust_is_listed_without_a_mesh(tmp_path: Path) -> None:
    labels = np.zeros((4, 4, 40), np.uint64)
    labels[1:3, 1:3, 2:30] = 7
    labels[0, 0, 35] = 8
    meshes, table = run(labels, tmp_path, (4, 4, 8), min_volume_nm3=2 * float(np.prod(SIZE)), max_error_nm=20.0)
    assert meshes.ids().tolist() == [7]
    assert table["id"].tolist() == [7, 8]
    assert table["meshed"].tolist() == [True, False]
    assert 0 < table["error_nm"][0] <= 20
