"""Files of formats that voxome reads, and other programs write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_SHAPE = (9, 8, 7)


def write_dicom(folder: Path) -> None:
    """Write three sections of a DICOM series."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    (folder / "a").mkdir()
    for number in range(3):
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
        dataset.Rows, dataset.Columns = _SHAPE[1:]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelSpacing, dataset.SliceThickness = [2, 1], 3
        dataset.SeriesInstanceUID, dataset.InstanceNumber, dataset.Modality = "1.2.3", number, "CT"
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 3 * number], [1, 0, 0, 0, 1, 0]
        pixels = np.arange(_SHAPE[1] * _SHAPE[2], dtype="<u2").tobytes()
        dataset["PixelData"] = pydicom.DataElement(0x7FE00010, "OW", pixels)
        pydicom.dcmwrite(folder / f"a/{number}.dcm", dataset, enforce_file_format=True)


def write_zip(folder: Path) -> None:
    """Write a zarr array of one chunk in a zip."""
    import voxome

    array = voxome.create(f"zarr://{folder}/a", voxome.VolumeSpec.of(_SHAPE, "uint8", encoding={"ome": False}))
    array[...] = 7
    shutil.make_archive(f"{folder}/a", "zip", f"{folder}/a")


def write_wkw(folder: Path) -> None:
    """Write a layer of WEBKNOSSOS, compressed."""
    import wkw

    header = wkw.Header(np.uint16, block_len=8, file_len=2, block_type=wkw.Header.BLOCK_TYPE_LZ4)
    (folder / "a/color").mkdir(parents=True)
    voxels = np.asfortranarray(np.arange(16**3, dtype=np.uint16).reshape(1, 16, 16, 16) % 300)
    with wkw.Dataset.create(str(folder / "a/color/1"), header) as dataset:
        dataset.write((0, 0, 0), voxels)
    box = {"topLeft": [0, 0, 0], "width": 7, "height": 8, "depth": 9}
    layer = {"name": "color", "category": "color", "boundingBox": box}
    (folder / "a/datasource-properties.json").write_text(json.dumps({"dataLayers": [layer], "scale": [8, 8, 40]}))


def write_annotations(folder: Path) -> None:
    """Write a precomputed collection of points with properties and a relation."""
    import voxome

    rows = voxome.Annotations(
        "point",
        np.arange(1, 9, dtype=np.uint64),
        np.arange(24, dtype=np.float64).reshape(8, 1, 3),
        {"score": np.ones(8, np.float32)},
        {"segment": [[1], [2]] * 4},
    )
    voxome.create_annotations(f"precomputed://{folder}/a", rows)


def read_annotations(uri: str) -> None:
    """Query a collection in all ways."""
    import voxome

    points: Any = voxome.open(uri)
    repr(points.summarise())
    points.get([1, 3])
    points.within((0, 0, 0), (30, 30, 30))
    points.related("segment", 1)


_SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1", "hash": "identity", "preshift_bits": 1, "minishard_bits": 1,
    "shard_bits": 0, "minishard_index_encoding": "gzip", "data_encoding": "raw",
}  # fmt: skip
_TRANSFORM = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0]


def _write_shapes(folder: Path, info: dict[str, Any], value: bytes) -> None:
    """Write a folder of one object, with the id 1, in a shard."""
    from voxome.remotes.precomputed.shard_writer import write_shard
    from voxome.remotes.precomputed.sharding import Sharding
    from voxome.storage.local import LocalPath

    (folder / "a").mkdir()
    (folder / "a/info").write_text(json.dumps({**info, "transform": _TRANSFORM, "sharding": _SHARDING}))
    shards = LocalPath(str(folder / "a"))
    write_shard(shards, Sharding.from_json(_SHARDING, shards), 0, [(1, value)])


def write_skeletons(folder: Path) -> None:
    """Write a precomputed skeleton with an attribute."""
    attributes = [{"id": "radius", "data_type": "float32", "num_components": 1}]
    value = np.array([2, 1], "<u4").tobytes() + bytes(24) + np.array([0, 1], "<u4").tobytes() + bytes(8)
    _write_shapes(folder, {"@type": "neuroglancer_skeletons", "vertex_attributes": attributes}, value)


def write_meshes(folder: Path) -> None:
    """Write the metadata of precomputed meshes of several resolutions, and the manifest of one without a fragment."""
    from voxome.remotes.precomputed.mesh_manifest import Level, Manifest

    level = Level(np.zeros(3), np.zeros((0, 3), np.uint32), np.zeros(0, np.int64), 1.0)
    info = {"@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": 10, "lod_scale_multiplier": 1}
    _write_shapes(folder, info, Manifest(np.ones(3), np.zeros(3), [level]).encode())


def read_shapes(uri: str) -> None:
    """Read a mesh or a skeleton."""
    import voxome

    found: Any = voxome.open(uri)
    repr(found.ids())
    repr(found[1])


def write_ilastik(path: Path) -> None:
    """Write a project of ilastik's pixel classification with two labelled voxels."""
    tags = json.dumps({"axes": [{"key": axis, "typeFlags": 2} for axis in "zyxc"]}).encode()
    with h5py.File(path, "w") as file:
        file["Input Data/infos/lane0000/Raw Data/axistags"] = tags[:-1].replace(b"]", b"]}")
        file["PixelClassification/LabelNames"] = np.array([b"cells", b"other"])
        block = np.zeros((*_SHAPE, 1), np.uint8)
        block[1, 2, 3], block[4, 5, 6] = 1, 2
        file["PixelClassification/LabelSets/labels000/block0000"] = block
        attributes = file["PixelClassification/LabelSets/labels000/block0000"].attrs
        attributes["blockSlice"], attributes["axistags"] = "[0:9,0:8,0:7,0:1]", tags
        features = file.create_group("FeatureSelections")
        features["FeatureIds"] = np.array([b"GaussianSmoothing", b"HessianOfGaussianEigenvalues"])
        features["Scales"] = np.array([0.7, 3.5])
        features["SelectionMatrix"] = np.array([[True, False], [True, True]])
        features["ComputeIn2d"] = np.array([False, False])


def read_ilastik(path: Path) -> None:
    """Read names, features and labels of a project."""
    from voxome.geometry import Box
    from voxome.models.pixels.ilastik import IlastikProject

    project, domain = IlastikProject.read(str(path)), Box.of_shape(_SHAPE)
    list(project.read_marks(0, domain, domain, {"cells": 1, "other": 2}).read())
    project.choose_features((40.0, 8.0, 8.0))
