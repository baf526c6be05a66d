"""Wrong calls of public functions raise an error of voxome with a sentence, and write nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.service import service
from voxome.errors import VoxomeError
from voxome.registry import load
from voxome.workflow.describe import document

ARRAY = np.zeros((4, 5, 6), np.uint8)
LABELS = np.ones((4, 5, 6), np.uint64)
SPEC = voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(10, 8, 8))
BOX = voxome.Box((0, 0, 0), (4, 4, 4))
POINTS = {"z_nm": [1.0], "y_nm": [1.0], "x_nm": [1.0]}
RAW = "zarr://raw.zarr"
NEW = "zarr://new.zarr"
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], at: double?, store: string}
outputs: {mask: {type: File, outputSource: mark/result}}
steps: {mark: {run: tool.cwl, in: {image: raw, at: at, store: store}, out: [result]}}
"""
TRANSFER: list[tuple[dict[str, Any], str]] = [
    ({"engine": 5}, "engine is 5; expected the name of an engine"),
    ({"engine": {"copy": "local"}}, "expected the name of an engine"),
    ({"engine": "local?worker=2"}, "Unknown option 'worker' of the engine 'local'"),
    ({"records": 5}, "records is 5; expected the name of a record store"),
    ({"codec": "zstd"}, r"Unknown argument 'codec' of transfer\(\)\. Known: box, chunk, drop, dst, dtype, encoding"),
    ({"encoding": 5}, "encoding is 5; expected a mapping"),
    ({"drop": "start"}, r"drop is 'start'; expected a list of names.*known: attributes, offset, start, voxel_size"),
    ({"drop": ["ofset"]}, "did you mean 'offset'"),
    ({"drop": 5}, "drop is 5; expected a list of names"),
    ({"box": 5}, "5 is not a box"),
    ({"level": "a"}, "level is 'a'; expected a whole number of at least 0"),
    ({"levels": math.nan}, "levels is nan; expected a whole number"),
    ({"workers": 0}, "workers is 0; expected a whole number of at least 1"),
    ({"verify": True}, "Unknown verify mode True"),
    ({"seed": "a"}, "seed is 'a'; expected a whole number"),
    ({"state": 5}, "state is 5; expected a path"),
    ({"progress": 5}, "progress is 5; expected a function"),
    ({"chunk": (1, 1)}, r"chunk is \(1, 1\); expected three numbers"),
    ({"force": "no"}, "force is 'no'; expected True or False"),
    ({"existing": 1}, "existing is 1; expected True or False"),
]
PUT: list[tuple[dict[str, Any], str]] = [
    ({"chunk": (1, 1)}, r"^chunk \(1, 1\) should have 3 axes \(z/y/x\)"),
    ({"chunk": "a"}, "^chunk is 'a'"),
    ({"kind": 5}, "Unknown kind 5"),
    ({"voxel_size_nm": (math.nan, 1, 1)}, "expected three positive lengths"),
    ({"progress": "a"}, "progress is 'a'; expected a function"),
    ({"force": None}, "force is None; expected True or False"),
    ({"at": (0, 0), "chunk": (1, 1, 1)}, "but chunk would need a new one"),
]
GET: list[tuple[dict[str, Any], str]] = [
    ({"level": "a"}, "level is 'a'"),
    ({"level": 1}, "the array has no level 1"),
    ({"box": 5}, "5 is not a box"),
    ({"overwrite": 1}, "overwrite is 1; expected True or False"),
    ({"lvel": 1}, r"Unknown argument 'lvel' of get\(\); did you mean 'level'"),
]
RUN: list[tuple[dict[str, Any], str]] = [
    ({"out": "raw.zarr"}, "is zarr://.*choose a folder for results outside of volumes"),
    ({"out": "raw.zarr/a/b"}, "is inside zarr://"),
    ({"out": "out", "store": "raw.zarr/a"}, "is inside zarr://"),
    ({"out": "out", "engine": {"mark": 5}}, "engine is 5"),
    ({"out": "out", "fresh": "a"}, "fresh is 'a'; expected True or False"),
    ({"out": "out", "progress": 5}, "progress is 5; expected a function"),
    ({}, r"run\(\) needs out; expected run\(workflow, inputs=…, \*, out, store=…"),
]
CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    *[(voxome.transfer, (RAW, NEW), options, message) for options, message in TRANSFER],
    *[(voxome.put, (ARRAY, NEW), options, message) for options, message in PUT],
    *[(voxome.get, (ARRAY, "new.npy"), options, message) for options, message in GET],
    *[(voxome.run, ("mark.cwl", {"raw": RAW}), options, message) for options, message in RUN],
    (voxome.transfer, (ARRAY, ARRAY), {}, "dst is ndarray of uint8 and shape"),
    (voxome.transfer, (RAW,), {}, r"transfer\(\) needs dst"),
    (voxome.open, (ARRAY,), {}, r"^ndarray of uint8 and shape \(4, 5, 6\) is not a URI"),
    (voxome.open, ("a\0b",), {}, "without null characters"),
    (voxome.open, (RAW, "r"), {}, r"open\(\) was called with too many positional arguments"),
    (voxome.open, ("memory://m?lvel=1",), {}, "Unknown option 'lvel' of memory://; did you mean 'level'"),
    (voxome.open, ("npy://a.npy?wndow=0:1",), {}, "Unknown option 'wndow' of npy://; did you mean 'window'"),
    (voxome.open, (f"{RAW}?lvel=1",), {}, "did you mean 'level'"),
    (voxome.open, (f"{RAW}?dtype=float32",), {}, r"\?dtype=float32 is not supported; use uint8 or uint16"),
    (voxome.open, ("text.txt",), {}, r"is not a recognised volume, which would be one of: .*zarr\.json.*HDF5 file"),
    (voxome.connect, ("nope",), {}, "nope is not the address of a server; write bossdb://https://HOST"),
    (voxome.connect, ("dvid://host",), {"expect": 5}, "expect is 5; expected a class"),
    (voxome.create, (NEW, 5), {"dtype": "uint8"}, "spec is 5; expected a VolumeSpec"),
    (voxome.create, (NEW, SPEC), {"dtype": object}, "voxels of object are not supported"),
    (voxome.create, (NEW, SPEC), {"fill": "a"}, "fill is 'a'; expected a number"),
    (voxome.create, (NEW, SPEC), {"attributes": 5}, "attributes is 5; expected a mapping"),
    (voxome.create, (NEW, SPEC), {"axes": 5}, "axes is 5; expected a name for each axis"),
    (voxome.create, ("hdf5://new.h5?foo=1", SPEC), {}, "Unknown option 'foo' of hdf5://"),
    (voxome.Volume, (ARRAY,), {}, "is not a source of voxels; open a volume with voxome.open"),
    (voxome.Meshes, ("x",), {}, "'x' is not a source of shapes"),
    (
        voxome.VolumeSpec.of,
        ((4, 5, 6), "uint8"),
        {"foo": 3},
        "Known: attributes, axes, chunk, dtype, .* start, .*write_chunk",
    ),
    (voxome.VolumeSpec.of, ((4, 5, 6), None), {}, "Unknown dtype None"),
    (voxome.VolumeSpec.of, ((4, 5, 6),), {}, r"VolumeSpec\.of\(\) needs dtype"),
    (SPEC.centre_nm, ((1, 2),), {}, "expected the index of a voxel"),
    (voxome.Box, ("0:4,0:4,0:4",), {}, r"Box\(\) needs stop; expected Box\(start, stop\)"),
    (voxome.Box, (1, 2), {}, "start is 1; expected whole numbers"),
    (voxome.Box, ((0.5,), (1,)), {}, "expected whole numbers"),
    (voxome.Box, ((math.nan,), (1,)), {}, "expected whole numbers"),
    (voxome.Box.of_shape, ((4, 5), (1,)), {}, "needs as many starts"),
    (voxome.Box.parse, ("0:1", 5), {}, "5 is not a box"),
    (BOX.grow, ("a",), {}, "low is 'a'"),
    (BOX.shift, (1,), {}, "by is 1"),
    (BOX.within, (5,), {}, "5 is not a box"),
    (BOX.__contains__, (5,), {}, "5 is not a box"),
    (voxome.BlockGrid, (5, (1,)), {}, "domain is 5; expected a voxome.Box"),
    (voxome.BlockGrid, (BOX, (2, 2, 2)), {"halo": 5}, "halo is 5"),
    (voxome.BlockGrid(BOX, (2, 2, 2)).index_of, (5,), {}, "point is 5"),
    (voxome.Mesh, ("a", "b"), {}, r"vertices_nm is 'a'; expected an array of float32 of shape \(n, 3\)"),
    (voxome.Mesh, (), {}, r"Mesh\(\) needs vertices_nm and faces"),
    (voxome.Annotations, ("pnt", [1], [[[0, 0, 0]]]), {}, "did you mean 'point'"),
    (voxome.Annotations, ("point", [-1], [[[0, 0, 0]]]), {}, "ids is"),
    (voxome.Annotations.join, ([],), {}, "no annotations to join"),
    (voxome.convert, (RAW, NEW), {}, r"convert needs the values.*window='0:4095'.*\(--window\)"),
    (voxome.convert, (RAW, NEW), {"dtype": "float32", "window": "0:1"}, "dtype is float32; expected uint8 or uint16"),
    (voxome.convert, (RAW, NEW), {"window": 5}, "window is 5; expected text"),
    (voxome.regions, (RAW,), {}, "is image data of uint8; expected a label volume"),
    (voxome.regions, (LABELS,), {"ids": 5}, "ids is 5; expected whole numbers"),
    (voxome.regions, (LABELS,), {"imge": RAW}, r"Unknown argument 'imge' of regions\(\); did you mean 'image'"),
    (voxome.regions, (LABELS, "text.txt"), {}, "is not a recognised volume"),
    (voxome.regions, (LABELS,), {"voxel_size_nm": 5}, "voxel_size_nm is 5; expected three positive lengths"),
    (voxome.contacts, (LABELS,), {"box": 5}, "5 is not a box"),
    (voxome.contacts, (), {}, r"contacts\(\) needs volume"),
    (voxome.ls, (".",), {"recursive": "yes"}, "recursive is 'yes'"),
    (voxome.rm, (ARRAY,), {}, "uri is ndarray"),
    (voxome.info, (5,), {}, r"5 \(int\) is not a volume"),
    (voxome.plan, ("mark.cwl", 5), {}, "inputs is 5; expected a mapping"),
    (voxome.plan, ("mark.cwl", {"raw": 5}), {}, "image is 5; expected a path or URI"),
    (voxome.plan, ("mark.cwl", {"raw": {"a": 1}}), {}, "image is ''; expected a path or URI"),
    (voxome.plan, ("mark.cwl", {"raw": RAW}), {"force": "no"}, "force is 'no'"),
    (voxome.tool, (3, {}), {"out": "out"}, r"name is 3; expected text, such as 'common\.threshold'"),
    (voxome.tool, ("common.threshold", [1]), {"out": "out"}, r"inputs is \[1\]; expected a mapping"),
    (voxome.tool, ("common.threshold", {}), {"out": "out"}, r"the tool common\.threshold needs 'image'.*\(--image\)"),
    (voxome.tool, ("common.threshold", {"imge": RAW}), {"out": "out"}, r"of the tool common\.threshold; did you mean"),
    (voxome.tool, ("common.threshold", {"image": RAW}), {"out": "raw.zarr/x"}, "is inside zarr://"),
    (voxome.tool, ("common.threshold", {"image": RAW}), {"out": "out", "into": 5}, "into is 5; expected a mapping"),
    (voxome.tool, ("common.threshold", {"image": RAW}), {"out": "out", "into": {"result": 5}}, r"'result'\] is 5"),
    (voxome.datasets, ([3],), {}, r"name is \[3\]; expected text"),
    (voxome.phantom, ("raw.zarr/phantom",), {"shape": (8, 8, 8)}, "is inside zarr://"),
    (voxome.phantom, ("phantom",), {"progress": 5}, "progress is 5"),
    (voxome.configure, (5,), {}, r"expected configure\(\*\*values\)"),
    (voxome.array, (), {"foo": 1}, r"Unknown argument 'foo' of array\(\)"),
    (voxome.array, (RAW,), {"resolution": "a"}, "resolution is 'a'"),
    (voxome.array, (NEW,), {"create_new": True, "extents": 5, "voxel_size": (1, 1, 1)}, "extents is 5"),
    (voxome.score.detections, (POINTS, POINTS), {"tolerance_nm": "a"}, "tolerance_nm is 'a'"),
    (voxome.score.detections, (5, POINTS), {}, "truth is 5; expected a path"),
    (voxome.score.cells, (5, POINTS), {}, "truth is 5; expected a path"),
    (voxome.score.cells, (POINTS, POINTS), {"tolerance_um": "a"}, "tolerance_um is 'a'"),
    (voxome.score.mask, (LABELS, LABELS), {"beta": "a"}, "beta is 'a'"),
    (voxome.score.mask, (LABELS, LABELS), {"threshold": "a"}, "threshold is 'a'"),
    (voxome.score.instances, (LABELS, LABELS), {"thresholds": 0.5}, "thresholds"),
    (voxome.score.instances, (LABELS, LABELS), {"thresholds": ["a"]}, "thresholds"),
    (voxome.score.detections, ({**POINTS, "x_nm": ["a"]}, POINTS), {}, "should be numbers, one for each row"),
    (voxome.score.detections, ({**POINTS, "x_nm": [1, 2]}, POINTS), {}, "have 1, 1, 2 rows; expected equally many"),
    (voxome.score.segmentation, (LABELS, LABELS), {"count_background": "a"}, "count_background is 'a'"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder, with a volume, a workflow and a text."""
    path = tmp_path_factory.mktemp("wrong-calls")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv("VOXOME_STATE", str(path / "state"))
        voxome.create(RAW, SPEC)
        Path("text.txt").write_text("hello")
        Path("mark.cwl").write_text(WORKFLOW)
        Path("tool.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
        yield path


@pytest.fixture(autouse=True)
def nothing_new(folder: Path) -> Iterator[None]:
    """Check that a test leaves no files."""
    before = set(folder.rglob("*"))
    yield
    assert set(folder.rglob("*")) - before == set()


@pytest.mark.slow
@pytest.mark.parametrize(("call", "arguments", "options", "message"), CALLS, ids=[message for *_, message in CALLS])
def test_a_wrong_call_is_explained_and_leaves_nothing(
    call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(VoxomeError, match=message) as caught:
        call(*arguments, **options)
    assert len(str(caught.value).splitlines()[0]) < 600


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("level", (-1,), "level is -1"),
        ("paste", ("0:1,0:1,0:1", "abc"), r"data is 'abc'; expected values of uint8 that fit the shape \(1, 1, 1\)"),
        ("paste", ("0:2,0:1,0:1", [1, 2, 3]), r"data is \[1, 2, 3\]"),
        ("__setitem__", (..., 300), "data is 300; expected values of uint8"),
        ("to_dask", ("a",), "chunks is 'a'; expected a number of voxels for each axis"),
        ("to_dask", ((0, 0, 0),), r"chunks is \(0, 0, 0\)"),
        ("to_dask", (-3,), "chunks is -3"),
        ("mesh", (), r"mesh\(\) needs id"),
        ("cutout", (), r"Volume\.cutout\(\) needs box"),
    ],
)
def test_a_wrong_call_of_a_volume_is_explained(call: str, arguments: tuple[Any, ...], message: str) -> None:
    volume = voxome.open(RAW, expect=voxome.Volume)
    with pytest.raises(VoxomeError, match=message):
        getattr(volume, call)(*arguments)


def test_a_type_error_inside_of_a_function_stays_what_it_is() -> None:
    @service()
    def broken(volume: voxome.Volume) -> None:
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        broken(voxome.open(RAW, expect=voxome.Volume))

    def fail(done: int, total: int) -> None:
        raise TypeError("in a callback")

    with pytest.raises(TypeError, match="in a callback"):
        voxome.get(ARRAY, "memory.npy", progress=fail)
