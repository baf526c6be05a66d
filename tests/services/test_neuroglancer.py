"""Layers of Neuroglancer; `tests/remotes/precomputed/test_neuroglancer.py` shows them in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import voxome
from voxome.errors import InvalidInput, UnsupportedFormat


def create(uri: str, **options: Any) -> str:
    options = {"voxel_size_nm": (40, 16, 8), "offset_nm": (80, 32, 24), "kind": "labels", **options}
    return voxome.create(uri, voxome.VolumeSpec.of((4, 4, 4), "uint64", **options)).uri


def test_shapes_beside_an_ome_zarr_are_moved_to_the_corner_of_its_voxel_0(tmp_path: Path) -> None:
    layer = voxome.neuroglancer_layer(create(f"zarr://{tmp_path}/a.zarr"), "precomputed://mesh", name="cells")
    labels, mesh = layer["source"]
    assert (layer["type"], layer["name"], labels) == ("segmentation", "cells", {"url": f"zarr://{tmp_path}/a.zarr"})
    assert mesh["url"] == "precomputed://mesh"
    assert mesh["transform"]["matrix"] == [[1, 0, 0, 20], [0, 1, 0, 24], [0, 0, 1, 60]]
    assert mesh["transform"]["outputDimensions"] == {axis: [1e-9, "m"] for axis in "xyz"}


def test_shapes_beside_precomputed_labels_stay(tmp_path: Path) -> None:
    layer = voxome.neuroglancer_layer(create(f"precomputed://{tmp_path}/a"), "precomputed://mesh")
    assert layer["source"][1] == {"url": "precomputed://mesh"}


def test_labels_whose_place_is_unknown_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"a\.npy: .* no shapes beside labels of this format; copy them"):
        voxome.neuroglancer_layer(create(f"npy://{tmp_path}/a.npy", voxel_size_nm=None, offset_nm=(0, 0, 0)))
    with pytest.raises(InvalidInput, match="has no voxel size"):
        voxome.neuroglancer_layer(create(f"zarr://{tmp_path}/b.zarr", voxel_size_nm=None))
