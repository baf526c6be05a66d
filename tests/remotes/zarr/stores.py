"""Zarr arrays on disk, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zarr

from voxome.contracts.uri import Uri

PLACEMENT: dict[str, Any] = {"voxel_size_nm": (40.0, 4.0, 8.0), "offset_nm": (400.0, 24.0, 16.0)}
"""Voxel size and offset of the tests."""


def at(path: object) -> Uri:
    return Uri("zarr", str(path))


def peer(path: Path) -> zarr.Array[Any]:
    """The array at `path`, or the finest of the group there, by zarr-python alone."""
    found = zarr.open(path, mode="r")
    array = found["0"] if isinstance(found, zarr.Group) else found
    assert isinstance(array, zarr.Array)
    return array


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def write_ome(path: Path, axes: list[dict[str, str]], datasets: list[dict[str, Any]], **entry: Any) -> None:
    group = zarr.create_group(path, zarr_format=2)
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets, **entry}]
    for number, one in enumerate(datasets):
        array = group.create_array(one["path"], shape=(12 >> number, 10, 8 >> number), dtype="uint8")
        array[...] = number + 1
