"""``voxome.info``, ``ls``, ``get``, ``put``, ``rm``, ``transfer`` and ``score`` take whatever means a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import voxome
from voxome.errors import AlreadyExists, InvalidInput, NotFound, UnknownName
from voxome.testing.strategies import noise

SHAPE = (8, 12, 16)
ARRAY = noise(SHAPE, "uint8")
SPEC = voxome.VolumeSpec.of(SHAPE, "uint8", voxel_size_nm=(40, 4, 4))


@pytest.fixture(params=["array", "path", "text", "volume"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The array as everything that means a volume."""
    if request.param == "array":
        return ARRAY
    volume = voxome.create(f"zarr://{tmp_path}/raw.zarr", SPEC)
    volume[...] = ARRAY
    return {"path": tmp_path / "raw.zarr", "text": f"{tmp_path}/raw.zarr", "volume": volume}[request.param]


def test_info_has_the_facts_of_a_volume(raw: Any) -> None:
    facts = voxome.info(raw)
    assert (facts["shape"], facts["dtype"], facts["axes"]) == ([8, 12, 16], "uint8", ["z", "y", "x"])
    assert facts["voxel_size_nm"] == (None if isinstance(raw, np.ndarray) else [40.0, 4.0, 4.0])


def test_get_writes_a_file(raw: Any, tmp_path: Path) -> None:
    path = voxome.get(raw, tmp_path / "crop.npy", box="0:4,2:8,0:16")
    assert path == tmp_path / "crop.npy"
    assert_array_equal(np.load(path), ARRAY[:4, 2:8])
    with pytest.raises(AlreadyExists):
        voxome.get(raw, path)


def test_put_makes_a_volume_or_writes_into_one(raw: Any, tmp_path: Path) -> None:
    made = voxome.put(raw, f"n5://{tmp_path}/made.n5", voxel_size_nm=(8, 8, 8), dtype="uint16", chunk=(4, 4, 4))
    assert (made.dtype, made.voxel_size_nm, made.chunks) == (np.uint16, (8, 8, 8), (4, 4, 4))
    assert_array_equal(made, ARRAY)
    larger = voxome.create(f"zarr://{tmp_path}/larger.zarr", SPEC.replace(domain=voxome.Box.of_shape((10, 20, 20))))
    assert_array_equal(voxome.put(raw, tmp_path / "larger.zarr", at=(1, 2, 3))[1:9, 2:14, 3:19], ARRAY)
    assert not larger[0].any()
    with pytest.raises(InvalidInput, match="dtype would need a new one"):
        voxome.put(raw, tmp_path / "larger.zarr", at=(0, 0, 0), dtype="uint16")


@pytest.mark.slow
def test_transfer_copies(raw: Any, tmp_path: Path) -> None:
    report = voxome.transfer(raw, f"zarr://{tmp_path}/copy.zarr", state=tmp_path / "state", verify="all", levels=2)
    copy = voxome.open(tmp_path / "copy.zarr", expect=voxome.Volume)
    assert report.verified == report.blocks
    assert_array_equal(copy, ARRAY)
    assert len(copy.levels) == 2


def test_an_array_has_the_voxel_size_of_the_keyword(tmp_path: Path) -> None:
    voxome.transfer(ARRAY, f"zarr://{tmp_path}/copy.zarr", voxel_size_nm=(40, 4, 4))
    assert voxome.info(tmp_path / "copy.zarr")["voxel_size_nm"] == [40, 4, 4]
    with pytest.raises(InvalidInput, match="a stored volume has its own"):
        voxome.transfer(tmp_path / "copy.zarr", f"zarr://{tmp_path}/b.zarr", voxel_size_nm=(40, 4, 4))


def test_labels_are_scored_as_arrays_and_as_volumes(tmp_path: Path) -> None:
    truth = np.repeat(np.array([1, 2, 3, 4], "uint64"), 2)[:, None, None] * np.ones((1, 8, 8), "uint64")
    merged = np.where(truth == 2, 1, truth)
    stored = voxome.put(merged, f"zarr://{tmp_path}/merged.zarr")
    assert stored.spec.kind == "labels"
    assert voxome.score.segmentation(truth, merged) == voxome.score.segmentation(truth, tmp_path / "merged.zarr")
    assert voxome.score.segmentation(truth, truth).adapted_rand_error == 0
    assert voxome.score.segmentation(truth, stored, "0:2,:,:").voi_merge == 0
    points = {name: np.array([0.0, 500.0]) for name in ("z_nm", "y_nm", "x_nm")}
    assert voxome.score.detections(points, points).f1 == 1
    with pytest.raises(InvalidInput, match="the table has no column x_nm; its columns: z_nm, y_nm"):
        voxome.score.detections({name: points[name] for name in ("z_nm", "y_nm")}, points)


@pytest.mark.slow
def test_ls_and_rm_take_paths(tmp_path: Path) -> None:
    voxome.put(ARRAY, f"zarr://{tmp_path}/a.zarr")
    voxome.put(ARRAY, f"zarr://{tmp_path}/below/b.zarr")
    assert [one.type for one in voxome.ls(tmp_path)] == ["volume", "folder"]
    assert [Path(one.uri.partition("://")[2] or one.uri).name for one in voxome.ls(tmp_path, recursive=True)] == [
        "a.zarr", "below", "b.zarr",
    ]  # fmt: skip
    assert voxome.rm(tmp_path / "a.zarr").endswith("a.zarr")
    assert not (tmp_path / "a.zarr").exists()
    with pytest.raises(NotFound):
        voxome.rm(tmp_path / "a.zarr")


def test_what_means_no_volume_is_refused(tmp_path: Path) -> None:
    for call in (
        voxome.info,
        lambda one: voxome.get(one, tmp_path / "a.npy"),
        lambda one: voxome.put(one, "memory://x"),
    ):
        with pytest.raises(InvalidInput, match="a list of 2 is not a volume; expected one URI, path, "):
            call([1, 2])
        with pytest.raises(InvalidInput, match=r"1\.5 \(float\) is not a volume; expected a URI, a path, a voxome"):
            call(1.5)
    with pytest.raises(InvalidInput, match="out is 3; expected a path"):
        voxome.get(ARRAY, 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="chunk is 3; expected three numbers of voxels"):
        voxome.transfer(ARRAY, "memory://x", chunk=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="dst is None; expected a path or URI"):
        voxome.transfer(ARRAY, None)  # type: ignore[arg-type]


def test_datasets_are_entries_by_name() -> None:
    assert voxome.datasets("kasthuri2015/em") == voxome.datasets()["kasthuri2015/em"]
    with pytest.raises(UnknownName, match="did you mean 'kasthuri2015/em'"):
        voxome.datasets("kasthuri2015/en")


@pytest.mark.slow
def test_a_phantom_is_files(tmp_path: Path) -> None:
    files = voxome.phantom(tmp_path / "phantom", shape=(32, 32, 32), seed=3)
    assert voxome.info(files.raw)["shape"] == [32, 32, 32]
    assert all(path.exists() for path in (files.labels, files.membranes, files.synapses, files.connectome))
    with pytest.raises(AlreadyExists, match=r"raw\.zarr, labels\.zarr"):
        voxome.phantom(tmp_path / "phantom", shape=(32, 32, 32))
    with pytest.raises(InvalidInput, match="shape is 32; expected three"):
        voxome.phantom(tmp_path / "other", shape=32)  # type: ignore[arg-type]
