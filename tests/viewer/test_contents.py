from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voxome
from voxome.contracts.formats import RUN
from voxome.contracts.handle import Handle
from voxome.contracts.shapes import Annotations
from voxome.errors import NotFound
from voxome.reports.colours import neuron_colour, write_colours
from voxome.viewer.contents import contents_of, layer_name


def test_a_layer_has_the_name_of_its_file() -> None:
    names = [
        "zarr:///a/em.ome.zarr",
        "s3://bucket/a/em.zarr.zip|zip:|zarr3:",
        "x/raw v2.nii.gz?level=1",
        "a.h5/volumes/raw",
    ]
    assert [layer_name(one) for one in names] == ["em.ome", "em", "raw-v2", "raw"]


@pytest.mark.slow
def test_arrays_and_volumes_are_layers_of_their_kind(tmp_path: Path) -> None:
    (array,) = contents_of(np.zeros((2, 3, 4), np.uint8), 2)
    assert (array.name, array.type) == ("array2", "image")
    spec = voxome.VolumeSpec.of((2, 3, 4), "uint64", kind="labels")
    (labels,) = contents_of(voxome.create(f"zarr://{tmp_path}/cells.zarr", spec).uri, 1)
    assert (labels.name, labels.type) == ("cells", "segmentation")
    (points,) = contents_of(Annotations("point", np.array([1], np.uint64), np.zeros((1, 1, 3))), 3)
    assert (points.name, points.type) == ("annotations3", "annotation")
    with pytest.raises(NotFound):
        list(contents_of(tmp_path / "nothing", 1))


def test_a_run_shows_its_inputs_results_and_synapses(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(40, 8, 4), offset_nm=(400, 80, 40))
    raw = voxome.create(f"zarr://{tmp_path}/elsewhere.zarr", spec)
    voxome.create(f"zarr://{tmp_path}/membranes.zarr", spec)
    voxome.create(f"zarr://{tmp_path}/neurons.zarr", spec.replace(dtype=np.dtype(np.uint64), kind="labels"))
    ids = np.array([7, 2**63 + 5, 9], np.uint64)
    pq.write_table(pa.table({"id": ids, "voxels": [5, 50, 20]}), tmp_path / "neurons.parquet")
    place = {"z_nm": [480.0], "y_nm": [80.0], "x_nm": [44.0]}
    ends = {"pre_id": ids[1:2], "post_id": ids[:1]}
    pq.write_table(pa.table({"id": np.array([3], np.uint64), **place, **ends}), tmp_path / "synapses.parquet")
    outputs = {
        "membranes": "zarr://./membranes.zarr", "neurons": "zarr://./neurons.zarr",
        "neurons_table": "./neurons.parquet", "synapses": "./synapses.parquet",
    }  # fmt: skip
    inputs = {"raw": Handle("volume", raw.uri).to_json(), "membranes": Handle("volume", raw.uri).to_json(), "seed": 3}
    record = {"inputs": inputs, "outputs": outputs, "store": None}
    (tmp_path / "run.json").write_text(json.dumps(RUN.stamp(record)))
    write_colours(tmp_path, {7: (1, 2, 3), 9: neuron_colour(9)})
    contents = {one.name: one for one in contents_of(tmp_path, 1)}
    assert [(one.name, one.type, one.visible) for one in contents.values()] == [
        ("raw", "image", True), ("membranes-input", "image", False), ("membranes", "image", False),
        ("neurons", "segmentation", True), ("synapses", "annotation", True),
    ]  # fmt: skip
    assert list(contents["neurons"].segments) == [2**63 + 5, 9, 7]
    assert (contents["neurons"].colours[9], contents["neurons"].colours[7]) == (neuron_colour(9), (1, 2, 3))
    assert contents["neurons"].columns == ("voxels", "synapses_out", "synapses_in")
    points = contents["synapses"].resource
    assert isinstance(points, Annotations)
    assert points.positions_nm.tolist() == [[[100, 4, 6]]]  # the centre of voxel (2, 0, 1), from the corner of voxel 0
    assert points.relations["pre"][0].tolist() == [2**63 + 5]
    assert contents["synapses"].linked == {"pre": "neurons", "post": "neurons"}
