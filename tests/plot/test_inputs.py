"""What figures take, and what they refuse."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput

SIZE_NM = (40.0, 8.0, 4.0)


@pytest.mark.slow
def test_a_scene_takes_the_shapes_of_a_volume() -> None:
    labels = np.zeros((4, 6, 8), np.uint32)
    labels[1:3, 1:4, 2:7] = 5
    meshes = voxome.meshes(labels, [5], voxel_size_nm=SIZE_NM)
    skeletons = voxome.skeletons(labels, [5], voxel_size_nm=SIZE_NM)
    assert [one.name for one in voxome.plot.scene(meshes=meshes, skeletons=skeletons).data] == ["5", "5"]
    with pytest.raises(InvalidInput, match="mapping"):
        voxome.plot.scene(meshes=meshes[5])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="mapping"):
        voxome.plot.scene(points=np.zeros((2, 3)))  # type: ignore[arg-type]


def test_a_scene_reads_the_points_of_a_collection_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = np.array([[[1e3, 2e3, 3e3]], [[4e3, 5e3, 6e3]]])
    uri = f"precomputed://{tmp_path}/points"
    voxome.create_annotations(uri, voxome.Annotations("point", np.array([1, 2], np.uint64), places))
    points = voxome.open(uri, expect=voxome.Points)
    (trace,) = voxome.plot.scene(points={"s": points}).data
    assert sorted(trace.x) == pytest.approx([3, 6], abs=0.01)
    monkeypatch.setattr(import_module("voxome.plot.scene"), "MAX_POINTS", 1)
    with pytest.raises(InvalidInput, match="within"):
        voxome.plot.scene(points={"s": points})


@pytest.mark.slow
def test_labels_without_a_place_need_the_voxels_of_the_image() -> None:
    image = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)
    with pytest.raises(InvalidInput, match="same voxels"):
        voxome.plot.section(image, 1, labels=np.ones((5, 7, 9), np.uint64))
    axes = voxome.plot.section(image, 1, labels=image > 60, voxel_size_nm=SIZE_NM).axes[0]
    assert axes.get_aspect() == 2
    assert axes.images[1].get_array()[..., 3].any()


def test_a_plane_without_a_number_is_black() -> None:
    axes = voxome.plot.section(np.full((2, 3, 4), np.nan, np.float32)).axes[0]
    assert (axes.images[0].get_array() == 0).all()


@pytest.mark.parametrize("interactive", [False, True])
@pytest.mark.parametrize("style", ["matrix", "network"])
def test_connections_may_be_few_or_weak(style: str, interactive: bool) -> None:
    table: dict[str, Any] = {"pre_id": [1, 2], "post_id": [2, 3], "synapses": [4, 5]}
    voxome.plot.connections(table, style, most=1, interactive=interactive)
    voxome.plot.connections({**table, "synapses": [0, 0]}, style, interactive=interactive)


def test_a_table_without_the_columns_is_refused() -> None:
    table = voxome.Table({"id": np.array([1, 2], np.uint64)}, key=("id",))
    with pytest.raises(InvalidInput, match="pre_id, post_id, synapses"):
        voxome.plot.connections(table)
