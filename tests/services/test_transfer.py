"""A transfer copies all voxels between any two formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import voxome
from voxome.blocks.progress import StepReport
from voxome.errors import InvalidBox, InvalidInput, RunFailed, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.services.downsample import planning

FORMATS = {
    "memory": "memory://{}/a",
    "zarr": "zarr://{}/a.zarr",
    "n5": "n5://{}/a.n5",
    "precomputed": "precomputed://{}/a.pc",
    "hdf5": "hdf5://{}/a.h5/data",
    "images": "images://{}/a",
    "npy": "npy://{}/a.npy",
    "nifti": "nifti://{}/a.nii",
    "nifti.gz": "nifti://{}/a.nii.gz",
}
SHAPE = (20, 33, 25)
SIZE = (30.0, 4.0, 8.0)
CUBE = (8.0, 8.0, 8.0)


def make(uri: str, *, dtype: str = "uint8", shape: tuple[int, ...] = SHAPE, **spec: Any) -> Volume:
    """Create a volume of noise."""
    volume = voxome.create(uri, voxome.VolumeSpec.of(shape, dtype, **spec))
    volume[...] = np.random.default_rng(0).integers(1, 250, shape)
    return volume


@pytest.mark.slow
@pytest.mark.parametrize("new", FORMATS)
@pytest.mark.parametrize("old", FORMATS)
def test_voxels_are_copied_between_any_two_formats(tmp_path: Path, old: str, new: str) -> None:
    size = None if "npy" in (old, new) else SIZE
    folder = tmp_path / uuid4().hex  # a volume in memory stays when its test has ended
    source = make(FORMATS[old].format(folder / "old"), voxel_size_nm=size)
    target = FORMATS[new].format(folder / "new")
    report = voxome.transfer(source.uri, target, verify="all")
    copied = voxome.open(target)
    assert np.array_equal(copied[...], source[...])
    assert (copied.spec.domain, copied.axes, copied.dtype) == (source.domain, source.axes, source.dtype)
    assert copied.voxel_size_nm == size
    assert (report.bytes, report.reused, report.verified) == (source.nbytes, 0, report.blocks)


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("workers", [1, 2])
def test_all_metadata_is_kept(tmp_path: Path, workers: int) -> None:
    fields = {
        "start": (-7, 5, -40),
        "voxel_size_nm": SIZE,
        "offset_nm": (1.5, -2.0, 3.0),
        "attributes": {"stain": "osmium", "dose": [1, 2.5]},
        "kind": "labels",
        "chunk": (4, 8, 6),
    }
    source = make(f"zarr://{tmp_path}/a.zarr", dtype="uint64", **fields)
    report = voxome.transfer(source.uri, f"n5://{tmp_path}/b.n5", chunk=(8, 8, 8), workers=workers)
    assert report.run == report.blocks > 8
    voxome.transfer(f"n5://{tmp_path}/b.n5", f"precomputed://{tmp_path}/c", chunk=(8, 16, 8), workers=workers)
    for uri in (f"n5://{tmp_path}/b.n5", f"precomputed://{tmp_path}/c"):
        copied = voxome.open(uri)
        assert np.array_equal(copied[...], source[...])
        for name in ("domain", "voxel_size_nm", "offset_nm", "attributes", "kind", "dtype", "axes"):
            assert getattr(copied.spec, name) == getattr(source.spec, name), name


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_a_box_of_a_level_is_copied(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(60, 64, 70), start=(-9, 0, 3), voxel_size_nm=SIZE)
    report = voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", levels=3, chunk=(16, 16, 16))
    level = voxome.open(f"{tmp_path}/b.zarr", level=2)
    assert report.blocks == report.run
    assert level.shape == (60, 16, 36)
    box = Box((-2, 3, 1), (10, 16, 18))
    voxome.transfer(f"{tmp_path}/b.zarr", f"n5://{tmp_path}/c", level=2, box=box, chunk=(8, 8, 8))
    copied = voxome.open(f"{tmp_path}/c")
    assert copied.domain == box
    assert copied.voxel_size_nm == (30, 16, 16)
    assert copied.spec.offset_nm == level.spec.offset_nm
    assert np.array_equal(copied[...], level.cutout(box))


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("kind", "dtype"), [("image", "uint8"), ("labels", "uint64")])
@pytest.mark.parametrize("store", ["zarr", "n5", "precomputed"])
def test_levels_do_not_depend_on_blocks(
    tmp_path: Path, store: str, kind: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(
        f"zarr://{tmp_path}/a.zarr", dtype=dtype, shape=(41, 38, 50), start=(-5, 2, 7), kind=kind, voxel_size_nm=CUBE
    )
    monkeypatch.setattr(planning, "TILE_VOXELS", 512)
    voxome.transfer(source, f"{store}://{tmp_path}/small", levels=3, chunk=(8, 8, 8), verify="all")
    monkeypatch.undo()
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    voxome.transfer(source, f"{store}://{tmp_path}/whole", levels=3, chunk=(64, 64, 64))
    for number in range(3):
        one, other = (voxome.open(f"{store}://{tmp_path}/{name}", level=number) for name in ("small", "whole"))
        assert one.domain == other.domain
        assert one[...].any()
        assert np.array_equal(one[...], other[...])
    if kind == "image":
        even = source.cutout(Box((-4, 2, 8), (36, 40, 56))).reshape(20, 2, 19, 2, 24, 2).mean(axis=(1, 3, 5))
        assert abs(voxome.open(f"{store}://{tmp_path}/small", level=1)[1:21, :19, 1:25] - even).max() <= 0.5


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_levels_make_voxels_more_isotropic(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(9, 32, 32), voxel_size_nm=(40, 8, 8))
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", levels=5, chunk=(8, 8, 8), verify="all")
    levels = [voxome.open(f"{tmp_path}/b.zarr", level=number) for number in range(5)]
    sizes = [(40, 8, 8), (40, 16, 16), (40, 32, 32), (80, 64, 64), (160, 128, 128)]
    assert [level.voxel_size_nm for level in levels] == sizes
    finest = levels[0][...].astype(float)
    for number, (z, y, x) in enumerate([(1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 16, 16)], 1):
        whole = finest[: finest.shape[0] // z * z].reshape(-1, z, 32 // y, y, 32 // x, x)
        found = levels[number][: finest.shape[0] // z].astype(float)
        assert abs(found - whole.mean(axis=(1, 3, 5))).max() <= 0.5


@pytest.mark.slow
def test_levels_are_those_of_a_downsampling(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", dtype="uint64", shape=(41, 38, 50), kind="labels", voxel_size_nm=CUBE)
    options = {"levels": 4, "chunk": (8, 8, 8)}
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", **options)
    voxome.downsample(source, out=f"zarr://{tmp_path}/c.zarr", **options)
    for number in range(4):
        one, other = (voxome.open(f"zarr://{tmp_path}/{name}.zarr", level=number) for name in "bc")
        assert np.array_equal(one[...], other[...])
    assert not list(tmp_path.glob(".*-levels"))


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_the_levels_of_a_box_that_is_written_later_are_those_of_the_whole(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(41, 38, 50), voxel_size_nm=CUBE, start=(-5, 2, 7))
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", levels=4, chunk=(8, 8, 8))
    box = Box((3, 9, 13), (20, 22, 41))
    source[box.within(source.domain)] = 255 - source.cutout(box)
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", box=box, levels=4, existing=True)
    voxome.transfer(source, f"zarr://{tmp_path}/c.zarr", levels=4, chunk=(8, 8, 8))
    for number in range(4):
        one, other = (voxome.open(f"zarr://{tmp_path}/{name}.zarr", level=number) for name in "bc")
        assert np.array_equal(one[...], other[...])


@pytest.mark.slow
def test_levels_that_there_are_follow_a_box_that_is_written_without_naming_them(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(40, 40, 40), voxel_size_nm=CUBE)
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", levels=4, chunk=(8, 8, 8))
    box = Box((3, 5, 0), (30, 22, 17))
    source[box.within(source.domain)] = 255 - source.cutout(box)
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", box=box, existing=True)
    voxome.transfer(source, f"zarr://{tmp_path}/c.zarr", levels=4, chunk=(8, 8, 8))
    for number in range(4):
        one, other = (voxome.open(f"zarr://{tmp_path}/{name}.zarr", level=number) for name in "bc")
        assert np.array_equal(one[...], other[...])


@pytest.mark.slow
def test_levels_stop_where_one_would_be_a_voxel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(5, 6, 7), voxel_size_nm=(4, 4, 4))
    for store in ("zarr", "n5", "precomputed"):
        target = f"{store}://{tmp_path}/{store}"
        for again in (False, True):
            caplog.clear()
            voxome.transfer(source, target, levels=6, verify="all", existing=again)
            assert "has 3 levels, not 6: the next would be one voxel" in caplog.text
            shapes = [voxome.open(target, level=number).shape for number in range(3)]
            assert shapes == [(5, 6, 7), (3, 3, 4), (2, 2, 2)]
            assert len(voxome.open(target, expect=voxome.Volume).levels) == 3
        assert voxome.open(target, level=2)[...].any()


@pytest.mark.slow
def test_channels_are_copied(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(3, 10, 20, 30), axes=("c", "z", "y", "x"), voxel_size_nm=SIZE)
    voxome.transfer(source, f"precomputed://{tmp_path}/b", levels=2)
    assert np.array_equal(voxome.open(f"{tmp_path}/b")[...], source[...])
    report = voxome.transfer(source, f"images://{tmp_path}/c", box="2:5,0:20,4:30", drop=["start"])
    assert np.array_equal(voxome.open(f"{tmp_path}/c")[...], source[:, 2:5, :, 4:30])
    assert report.bytes == 3 * 3 * 20 * 26


@pytest.mark.parametrize("axes", [("x",), ("y", "x"), ("t", "c", "z", "y", "x")])
def test_any_number_of_axes_is_copied(tmp_path: Path, axes: tuple[str, ...]) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(5, 4, 6, 7, 8)[: len(axes)], axes=axes)
    voxome.transfer(source, f"hdf5://{tmp_path}/b.h5/v")
    assert np.array_equal(voxome.open(f"{tmp_path}/b.h5/v")[...], source[...])


@pytest.mark.slow
def test_metadata_that_the_format_cannot_store_are_refused(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", start=(-3, 0, 10), voxel_size_nm=SIZE, attributes={"a": 1})
    with pytest.raises(
        UnsupportedFormat, match=r"npy cannot store the voxel size .*attributes.*starts at \(-3.*--drop voxel_size"
    ):
        voxome.transfer(source, f"npy://{tmp_path}/b.npy")
    assert not (tmp_path / "b.npy").exists()
    voxome.transfer(source, f"npy://{tmp_path}/b.npy", drop=["start", "voxel_size", "offset", "attributes"])
    assert np.array_equal(np.load(tmp_path / "b.npy"), source[...])
    voxome.transfer(source, f"nifti://{tmp_path}/b.nii", drop=["start", "attributes"])
    assert voxome.open(f"{tmp_path}/b.nii").spec.offset_nm == (-90, 0, 80)
    with pytest.raises(UnknownName, match="did you mean 'offset'"):
        voxome.transfer(source, f"npy://{tmp_path}/c.npy", drop=["ofset"])


@pytest.mark.usefixtures("small_blocks")
def test_a_dtype_is_converted_only_if_no_voxel_changes(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", dtype="uint16", shape=(48, 16, 16), chunk=(16, 16, 16))
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", dtype="uint8", chunk=(16, 16, 16))
    assert voxome.open(f"{tmp_path}/b.zarr").dtype == np.uint8
    assert np.array_equal(voxome.open(f"{tmp_path}/b.zarr")[...], source[...])
    source[20, 3, 3] = 300
    with pytest.raises(RunFailed, match=r"16:32,0:16,0:16: uint16 voxels from 1 to 300 do not fit uint8"):
        voxome.transfer(source, f"zarr://{tmp_path}/c.zarr", dtype="uint8", chunk=(16, 16, 16))
    assert not voxome.open(f"{tmp_path}/c.zarr")[16:32].any()


def test_options_of_a_new_volume_are_applied(tmp_path: Path) -> None:
    source = make(f"npy://{tmp_path}/a.npy", shape=(64, 64, 64))
    options = {"chunk": (16, 16, 16), "shard": (32, 32, 32), "encoding": {"codec": "gzip"}}
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", **options)
    spec = voxome.open(f"{tmp_path}/b.zarr").spec
    assert (spec.read_chunk, spec.write_chunk) == ((16, 16, 16), (32, 32, 32))
    assert spec.encoding is not None
    assert spec.encoding["codec"]["name"] == "gzip"


def test_invalid_arguments_are_refused(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr")
    target = f"zarr://{tmp_path}/b.zarr"
    with pytest.raises(InvalidBox, match="not inside"):
        voxome.transfer(source, target, box="0:21,0:33,0:25")
    with pytest.raises(UnknownName, match="did you mean 'sampled'"):
        voxome.transfer(source, target, verify="sample")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="levels is 0"):
        voxome.transfer(source, target, levels=0)
    with pytest.raises(InvalidInput, match="expected three numbers of voxels"):
        voxome.transfer(source, target, chunk=(8, 8))
    with pytest.raises(UnsupportedFormat, match="cannot have levels"):
        voxome.transfer(source, f"npy://{tmp_path}/b.npy", levels=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "state"]


def test_volumes_without_a_uri_are_copied_in_this_process() -> None:
    source, target = (Volume(make(f"memory://unnamed{n}").source) for n in range(2))
    target[...] = 0
    report = voxome.transfer(source, target, workers=4)
    assert np.array_equal(target[...], source[...])
    assert (report.source, report.verified) == ("", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_progress_is_reported(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/a.zarr", shape=(64, 32, 32), chunk=(16, 16, 16), voxel_size_nm=SIZE)
    seen: list[tuple[str, int, int, bool]] = []

    def progress(report: StepReport) -> None:
        seen.append((report.name, report.run, report.total, report.ended))

    report = voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", chunk=(16, 16, 16), levels=2, progress=progress)
    assert seen[0] == ("copy", 0, 16, False)
    assert ("copy", 16, 16, True) in seen
    assert seen[-1][0] == "level 1"
    assert report.blocks == 16 + seen[-1][2]
    assert report.bytes_per_s == pytest.approx(report.bytes / report.wall_s)


@pytest.mark.parametrize("spelling", ["zarr://file://{}", "{}", "zarr://{}/", "zarr://{}?level=0", "zarr://{}.link"])
def test_a_volume_is_not_copied_to_itself_however_it_is_spelled(tmp_path: Path, spelling: str) -> None:
    voxome.create(f"zarr://{tmp_path}/a", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    (tmp_path / "a.link").symlink_to("a")
    with pytest.raises(InvalidInput, match="cannot be copied to itself"):
        voxome.transfer(f"zarr://{tmp_path}/a", spelling.format(tmp_path / "a"), existing=True)
