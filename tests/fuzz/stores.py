"""Volumes whose metadata or files are damaged: each opens, or is refused by an error of voxome."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

import voxome
from fuzz.foreign import (
    read_annotations,
    read_shapes,
    write_annotations,
    write_dicom,
    write_meshes,
    write_skeletons,
    write_wkw,
    write_zip,
)
from fuzz.mutation import mutate, mutate_json
from fuzz.refusals import refusing
from voxome.errors import VoxomeError

_SHAPE = (9, 8, 7)


class Store(NamedTuple):
    """A volume, one file of which is damaged."""

    uri: str
    file: str
    is_json: bool = True
    encoding: Mapping[str, Any] | None = None
    write: Callable[[Path], None] | None = None
    read: Callable[[str], None] | None = None


STORES: Mapping[str, Store] = {
    "metadata of zarr v2": Store("zarr://{}/a", "a/.zarray", encoding={"format": "zarr2", "ome": False}),
    "metadata of zarr v3": Store("zarr://{}/a", "a/0/zarr.json"),
    "metadata of OME-Zarr": Store("zarr://{}/a", "a/zarr.json"),
    "metadata of N5": Store("n5://{}/a", "a/s0/attributes.json"),
    "metadata of groups of N5": Store("n5://{}/a", "a/attributes.json"),
    "metadata of precomputed": Store("precomputed://{}/a", "a/info"),
    "metadata of sections": Store("images://{}/a", "a/voxome.json"),
    "KNOSSOS": Store("knossos://{}/a", "a/mag1/knossos.conf", is_json=False),
    "NIfTI": Store("nifti://{}/a.nii", "a.nii", is_json=False),
    "TIFF": Store("images://{}/a", "a/000002.tif", is_json=False),
    "npy": Store("npy://{}/a.npy", "a.npy", is_json=False),
    "shards of zarr": Store("zarr://{}/a", "a/0/c/0/0/0", is_json=False, encoding={"shard": (12, 8, 8)}),
    "chunks of N5": Store("n5://{}/a", "a/s0/0/0/0", is_json=False),
    "DICOM": Store("dicom://{}/a", "a/1.dcm", is_json=False, write=write_dicom),
    "headers of WKW": Store("wkw://{}/a/color", "a/color/1/header.wkw", is_json=False, write=write_wkw),
    "cubes of WKW": Store("wkw://{}/a/color", "a/color/1/z0/y0/x0.wkw", is_json=False, write=write_wkw),
    "properties of WKW": Store("wkw://{}/a/color", "a/datasource-properties.json", write=write_wkw),
    "zips of zarr": Store("zarr://{}/a.zip", "a.zip", is_json=False, write=write_zip),
    "metadata of annotations": Store("precomputed://{}/a", "a/info", write=write_annotations, read=read_annotations),
    "metadata of meshes": Store("precomputed://{}/a", "a/info", write=write_meshes, read=read_shapes),
    "metadata of skeletons": Store("precomputed://{}/a", "a/info", write=write_skeletons, read=read_shapes),
    "indices of annotations": Store(
        "precomputed://{}/a", "*", is_json=False, write=write_annotations, read=read_annotations
    ),
}


def create(store: Store, folder: Path) -> tuple[str, Path]:
    """Write a volume; return its URI and the file that is to be damaged."""
    uri = store.uri.format(folder)
    if store.write is not None:
        store.write(folder)
        if store.file != "*":
            return uri, folder / store.file
        return uri, max(
            (file for file in folder.rglob("*") if file.name != "info"), key=lambda file: file.stat().st_size
        )
    size = None if uri.startswith("npy") else (40, 8, 8)
    dtype = "uint8" if uri.startswith("knossos") else "uint16"
    chunk = (4, 4, 4) if "shard" in (store.encoding or {}) else None
    spec = voxome.VolumeSpec.of(_SHAPE, dtype, chunk=chunk, encoding=store.encoding, voxel_size_nm=size)
    voxome.create(uri, spec)[...] = np.arange(np.prod(_SHAPE)).reshape(_SHAPE) % 256
    return uri, folder / store.file


def attempts(store: Store, folder: Path) -> Callable[[Random], None]:
    """Return a function that damages the file, opens the volume and reads a few voxels."""
    uri, file = create(store, folder)
    valid = file.read_bytes()
    document = json.loads(valid) if store.is_json else None
    (store.read or read_volume)(uri)  # with the threads and modules that this takes

    def attempt(random: Random) -> None:
        if store.is_json:
            file.write_text(json.dumps(mutate_json(random, document)))
        else:
            file.write_bytes(mutate(random, [valid]))
        with refusing((VoxomeError,)):
            (store.read or read_volume)(uri)

    return attempt


def read_volume(uri: str) -> None:
    """Read a few voxels of a volume, and what is known of its levels."""
    volume = voxome.open(uri, expect=voxome.Volume)
    box = volume.domain & voxome.Box.of_shape((4,) * volume.ndim, volume.domain.start)
    volume.cutout(box)
    for level in volume.levels:
        repr(level)
