"""Pyramids: every level is what numpy computes from level 0, in every format, for any blocks, workers and engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
from numpy.typing import NDArray
from peers.s3 import Bucket

import voxome
from voxome.contracts.downsampling import Method
from voxome.errors import AlreadyExists, InvalidInput, ReadOnly, RunFailed, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.services.downsample.levels import create_level
from voxome.services.transfer.state import State
from voxome.tools.common.cells.methods import downsample_array

START, SHAPE = (3, 5, 64), (50, 45, 35)
PLACES = ["zarr://{}/v.zarr", "n5://{}/v", "precomputed://{}/v"]


def make(uri: str, data: NDArray[Any], **spec: Any) -> Volume:
    options = {"chunk": (8, 8, 8), "voxel_size_nm": (8, 8, 8), **spec}
    volume = voxome.create(uri, voxome.VolumeSpec.of(data.shape, data.dtype, **options))
    volume[...] = data
    return volume


def some_labels(shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint64]:
    """Return cubes of 5 voxels with random ids, among them the largest."""
    ids = np.random.default_rng(3).integers(0, 40, [-(-n // 5) for n in shape]).astype(np.uint64)
    ids[ids == 7] = 2**64 - 2
    labels = np.kron(ids, np.ones((5, 5, 5), np.uint64))
    return np.ascontiguousarray(labels[: shape[0], : shape[1], : shape[2]])


def some_image(shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    return np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)


def expected(data: NDArray[Any], scale: Any, method: Method, start: tuple[int, ...] = START, **options: Any) -> Any:
    return downsample_array(data, Box.of_shape(data.shape, start), scale, method, **options)


def check(uri: str, data: NDArray[Any], method: Method, count: int, start: tuple[int, ...] = START) -> None:
    """Compare every level with level 0."""
    volume = voxome.open(uri, expect=Volume)
    assert len(volume.levels) == count
    assert np.array_equal(volume[...], data)
    for number, level in enumerate(volume.levels):
        assert level.scale is not None
        assert volume.level(number).domain == Box.of_shape(data.shape, start).coarsen(level.scale)
        values = volume.level(number)[...]
        assert np.array_equal(values, expected(data, level.scale, method, start)), number
        assert values.dtype == data.dtype


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("data", "kind", "method"), [(some_labels(), "labels", "mode"), (some_image(), "image", "mean")]
)
@pytest.mark.usefixtures("small_blocks")
def test_levels_are_added_in_place(tmp_path: Path, place: str, data: Any, kind: Any, method: Any) -> None:
    uri = place.format(tmp_path)
    report = voxome.downsample(make(uri, data, kind=kind, start=START), levels=6)
    check(uri, data, method, 6)
    assert report.run == report.blocks > 10
    assert len(report.levels) == 6
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    again = voxome.downsample(voxome.open(uri, expect=Volume, mode="r+"), levels=6)
    assert (again.run, again.reused) == (0, report.blocks)
    if kind == "labels":
        ids = set(data.reshape(-1).tolist()) - {0}
        levels = voxome.open(uri, expect=Volume)
        for number in range(1, 6):
            kept = set(levels.level(number)[...].reshape(-1).tolist())
            assert kept <= ids | {0}
            assert set(report.lost_ids[number].tolist()) == set(again.lost_ids[number].tolist()) == ids - kept


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mean", "mode", "max", "min", "stride"])
@pytest.mark.usefixtures("small_blocks")
def test_every_method_is_exact_on_every_level(tmp_path: Path, method: Method) -> None:
    data = some_image()
    uri = f"zarr://{tmp_path}/v.zarr"
    voxome.downsample(make(uri, data, start=START), method=method, levels=5)
    check(uri, data, method, 5)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sequential", "threads", "local"])
def test_workers_and_engines_do_not_matter(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_TRANSFER_BLOCK_BYTES", "20000")
    data = some_labels()
    uri = f"zarr://{tmp_path}/v.zarr"
    report = voxome.downsample(make(uri, data, kind="labels", start=START), levels=5, engine=engine, workers=2)
    check(uri, data, "mode", 5)
    assert report.run == report.blocks


@pytest.mark.slow
@pytest.mark.parametrize("place", ["zarr://{}/v.zarr", "precomputed://{}/v"])
def test_eight_processes_write_shards_that_others_read(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXOME_TRANSFER_BLOCK_BYTES", "20000")
    data, uri = some_labels((100, 90, 70)), place.format(tmp_path)
    volume = make(uri, data, kind="labels", start=START, write_chunk=(16, 16, 16))
    voxome.downsample(volume, workers=8)
    count = len(voxome.open(uri, expect=Volume).levels)
    assert count == 5
    check(uri, data, "mode", count)
    if place.startswith("precomputed"):
        from cloudvolume import CloudVolume

        for mip in range(count):
            theirs = CloudVolume(f"file://{tmp_path}/v", mip=mip, progress=False, fill_missing=True)
            spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{tmp_path}/v", "scale_index": mip}
            store = ts.open(spec).result()
            ours = voxome.open(uri, expect=Volume, level=mip)[...]
            assert np.array_equal(np.asarray(theirs[:])[..., 0].transpose(2, 1, 0), ours)
            assert np.array_equal(store.read().result()[..., 0].transpose(2, 1, 0), ours)


def test_one_level_is_added_where_the_next_fits_into_a_chunk(tmp_path: Path) -> None:
    data = np.full((128, 128, 128), 9, np.uint8)
    report = voxome.downsample(make(f"zarr://{tmp_path}/v.zarr", data, chunk=(64, 64, 64)))
    assert [level.shape for level in report.levels] == [(128, 128, 128), (64, 64, 64)]


@pytest.mark.slow
def test_the_finest_axes_are_halved_first_and_axes_of_one_voxel_are_kept(tmp_path: Path) -> None:
    data = np.zeros((4, 40, 64), np.uint8)
    report = voxome.downsample(make(f"zarr://{tmp_path}/a.zarr", data, voxel_size_nm=(40, 8, 8)))
    assert [level.shape for level in report.levels] == [(4, 40, 64), (4, 20, 32), (4, 10, 16), (2, 5, 8)]
    flat = voxome.downsample(make(f"zarr://{tmp_path}/b.zarr", data[:1], voxel_size_nm=(1, 8, 8)))
    assert [level.shape for level in flat.levels] == [(1, 40, 64), (1, 20, 32), (1, 10, 16), (1, 5, 8)]


@pytest.mark.slow
def test_a_volume_is_projected_to_one_section(tmp_path: Path) -> None:
    data = some_image()
    volume = make(f"zarr://{tmp_path}/a.zarr", data)
    voxome.downsample(volume, levels=2, factors=(10**8, 1, 1), method="max")
    assert np.array_equal(voxome.open(volume.uri, level=1, expect=Volume)[...], data.max(0, keepdims=True))


def test_factors_are_those_that_are_given(tmp_path: Path) -> None:
    data = some_image((30, 30, 30))
    report = voxome.downsample(make(f"zarr://{tmp_path}/a.zarr", data), factors=[(1, 3, 3), (5, 2, 1)])
    check(f"zarr://{tmp_path}/a.zarr", data, "mean", 3, (0, 0, 0))
    assert [level.shape for level in report.levels] == [(30, 30, 30), (30, 10, 10), (6, 5, 10)]
    again = voxome.downsample(make(f"zarr://{tmp_path}/b.zarr", data), factors=(2, 2, 2))
    assert [level.shape for level in again.levels][1:] == [(15, 15, 15), (8, 8, 8)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mean", "stride"])
def test_positions_follow_the_method(tmp_path: Path, method: Method) -> None:
    data = np.zeros((32, 32, 32), np.uint16)
    data[16, 16, 16] = 60000
    volume = make(f"zarr://{tmp_path}/v.zarr", data, offset_nm=(100, 0, 0))
    report = voxome.downsample(volume, method=method, levels=4)
    for number, level in enumerate(report.levels):
        factor = 2**number
        assert level.offset_nm == pytest.approx((100 + (factor - 1) / 2 * 8 * (method == "mean"), *level.offset_nm[1:]))
        opened = report.volume.level(number)
        index = np.unravel_index(np.argmax(opened[...]), opened.shape)
        position = opened.spec.centre_nm([int(i) for i in index])
        assert np.abs(np.array(position) - (228, 128, 128)).max() <= 8 * factor / 2


def test_stride_in_a_store_that_places_levels_by_corners_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voxome.downsample(make(f"precomputed://{tmp_path}/v", some_image((16, 16, 16))), method="stride")
    assert "cannot record that the voxels of level 1 are the first of their cells" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_a_sheet_of_one_voxel_survives_where_background_does_not_count(tmp_path: Path) -> None:
    labels = np.zeros((40, 40, 40), np.uint64)
    labels[13] = 5
    for name, no_data in (("a", None), ("b", 0)):
        volume = make(f"zarr://{tmp_path}/{name}.zarr", labels, kind="labels")
        report = voxome.downsample(volume, no_data=no_data, levels=5)
        lost = {level: ids.tolist() for level, ids in report.lost_ids.items()}
        assert lost[4] == ([5] if no_data is None else [])
        if no_data == 0:
            assert all((report.volume.level(n)[...] == 5).any(axis=0).all() for n in range(5))


@pytest.mark.slow
def test_channels_and_times_are_kept_apart(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 256, (2, 3, 20, 18, 16), dtype=np.uint8)
    volume = make(f"zarr://{tmp_path}/v.zarr", data, chunk=(1, 2, 8, 8, 8), axes=("t", "c", "z", "y", "x"))
    voxome.downsample(volume, levels=5)
    for number, level in enumerate(voxome.open(volume.uri, expect=Volume).levels):
        values = voxome.open(volume.uri, expect=Volume, level=number)[...]
        for t in range(2):
            for c in range(3):
                assert np.array_equal(values[t, c], expected(data[t, c], level.scale, "mean", (0, 0, 0)))


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_levels_are_added_in_a_bucket(bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    uri, data = f"zarr://{bucket.uri(f'{key}/v.zarr')}", some_labels((20, 20, 20))
    voxome.downsample(make(uri, data, kind="labels"), levels=5, engine="local", workers=2)
    check(uri, data, "mode", 5, (0, 0, 0))
    assert not [name for name in bucket.keys(key) if "voxome-l" in name]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_copy_with_levels_leaves_the_volume_as_it_is(tmp_path: Path, place: str) -> None:
    data = some_labels((20, 20, 20))
    source = make(f"zarr://{tmp_path}/source.zarr", data, kind="labels")
    uri = place.format(tmp_path)
    report = voxome.downsample(source.uri, out=uri, chunk=(8, 8, 8))
    check(uri, data, "mode", 3, (0, 0, 0))
    assert len(voxome.open(source.uri, expect=Volume).levels) == 1
    assert report.provenance.inputs[0].uri == source.uri
    assert voxome.downsample(source.uri, out=uri, chunk=(8, 8, 8)).run == 0


@pytest.mark.slow
def test_a_copy_of_a_volume_that_has_changed_is_refused(tmp_path: Path) -> None:
    source = make(f"zarr://{tmp_path}/source.zarr", some_image((20, 20, 20)))
    voxome.downsample(source.uri, out=f"zarr://{tmp_path}/v.zarr")
    source[0, 0, 0] = 17
    with pytest.raises(AlreadyExists, match="has changed since"):
        voxome.downsample(source.uri, out=f"zarr://{tmp_path}/v.zarr")


@pytest.mark.slow
def test_what_made_the_levels_is_kept_with_the_volume(tmp_path: Path) -> None:
    volume = make(f"zarr://{tmp_path}/v.zarr", some_labels((20, 20, 20)), kind="labels")
    report = voxome.downsample(volume.uri, no_data=0)
    (kept,) = (one for one in voxome.provenance(volume.uri) if one.service == "downsample")
    assert kept == report.provenance == voxome.downsample(volume.uri, no_data=0).provenance
    assert (kept.way, kept.tool) == ("local", "common.downsample")
    assert kept.parameters == {"method": "mode", "no_data": 0, "scales": [[2, 2, 2], [4, 4, 4]]}
    assert kept.inputs[0].uri == volume.uri


@pytest.mark.slow
def test_an_array_gets_its_levels_in_memory() -> None:
    data = some_labels((100, 100, 100))
    report = voxome.downsample(data, voxel_size_nm=(8, 8, 8))
    assert [level.shape for level in report.levels] == [(100, 100, 100), (50, 50, 50)]
    assert np.array_equal(report.volume.level(1)[...], expected(data, (2, 2, 2), "mode", (0, 0, 0)))
    assert report.volume.level(1).spec.offset_nm == (4, 4, 4)
    assert report.provenance.way == "local"


@pytest.mark.slow
def test_an_array_is_written_with_its_levels(tmp_path: Path) -> None:
    data = some_image((80, 80, 80))
    voxome.downsample(data, voxel_size_nm=(8, 8, 8), out=f"zarr://{tmp_path}/v.zarr")
    check(f"zarr://{tmp_path}/v.zarr", data, "mean", 2, (0, 0, 0))


@pytest.mark.slow
def test_levels_that_there_are_are_kept_unless_they_may_be_computed_again(tmp_path: Path) -> None:
    uri, data = f"zarr://{tmp_path}/v.zarr", some_image((40, 40, 40))
    volume = make(uri, data)
    volume.source.create_level((2, 2, 2))  # type: ignore[attr-defined]
    with pytest.raises(AlreadyExists, match=r"already has 2 levels.*existing=True \(--existing\)"):
        voxome.downsample(uri_open(uri))
    assert not voxome.open(uri, expect=Volume, level=1)[...].any()
    voxome.downsample(uri_open(uri), existing=True)
    check(uri, data, "mean", 4, (0, 0, 0))


@pytest.mark.slow
def test_levels_of_a_volume_that_has_changed_are_computed_again_on_request(tmp_path: Path) -> None:
    uri, data = f"zarr://{tmp_path}/v.zarr", some_image((40, 40, 40))
    voxome.downsample(make(uri, data))
    data[0] = 0
    uri_open(uri)[0] = 0
    with pytest.raises(AlreadyExists, match="has changed since its levels were computed"):
        voxome.downsample(uri_open(uri))
    voxome.downsample(uri_open(uri), existing=True)
    check(uri, data, "mean", 4, (0, 0, 0))


@pytest.mark.slow
def test_levels_beyond_the_wanted_ones_are_computed_again_too(tmp_path: Path) -> None:
    uri, data = f"zarr://{tmp_path}/v.zarr", some_image((40, 40, 40))
    voxome.downsample(make(uri, data), levels=3)
    data[:8] = 0
    uri_open(uri)[:8] = 0
    report = voxome.downsample(uri_open(uri), levels=2, existing=True)
    assert len(report.levels) == 3
    check(uri, data, "mean", 3, (0, 0, 0))


class Killed(BaseException):
    """Ends a call where a process would be killed."""


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", [1, 2])
def test_levels_that_are_created_and_not_filled_are_unfinished_and_the_same_call_resumes(
    tmp_path: Path, number: int, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, data = f"zarr://{tmp_path}/v.zarr", some_image((20, 20, 20))
    make(uri, data)
    calls: list[int] = []

    def killed(*arguments: Any, **options: Any) -> None:
        calls.append(1)
        if before and len(calls) == number:
            raise Killed
        create_level(*arguments, **options)
        if len(calls) == number:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("voxome.services.downsample.local.create_level", killed)
        with pytest.raises(Killed):
            voxome.downsample(uri_open(uri), levels=3)
    with pytest.raises(InvalidInput, match="is not finished: the downsampling"):
        voxome.transfer(uri, f"zarr://{tmp_path}/other.zarr")
    voxome.downsample(uri_open(uri), levels=3)
    check(uri, data, "mean", 3, (0, 0, 0))
    voxome.transfer(uri, f"zarr://{tmp_path}/other.zarr")


def test_a_level_that_cannot_be_created_leaves_the_volume_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"zarr://{tmp_path}/v.zarr"
    make(uri, some_image((20, 20, 20)))

    def fail(*_: Any, **__: Any) -> None:
        raise UnsupportedFormat("no such level")

    monkeypatch.setattr("voxome.services.downsample.local.create_level", fail)
    with pytest.raises(UnsupportedFormat, match="no such level"):
        voxome.downsample(uri_open(uri), levels=3)
    voxome.transfer(uri, f"zarr://{tmp_path}/other.zarr")


@pytest.mark.slow
def test_a_downsampling_that_is_killed_at_its_very_end_is_finished_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"zarr://{tmp_path}/v.zarr"
    make(uri, some_image((20, 20, 20)))

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(State, "mark_finished", kill)
        with pytest.raises(Killed):
            voxome.downsample(uri_open(uri), levels=3)
    assert voxome.downsample(uri_open(uri), levels=3).run == 0
    voxome.transfer(uri, f"zarr://{tmp_path}/other.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("store", ["zarr", "n5", "precomputed"])
def test_a_downsampling_that_is_killed_right_after_it_was_recorded_is_finished_by_the_same_call(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, keep = f"{store}://{tmp_path}/v", State.keep
    make(uri, some_image((20, 20, 20)))

    def kill(state: State, **facts: Any) -> None:
        if facts.get("complete"):
            raise Killed
        keep(state, **facts)

    with monkeypatch.context() as patched:
        patched.setattr(State, "keep", kill)
        with pytest.raises(Killed):
            voxome.downsample(uri_open(uri), levels=3)
    assert voxome.downsample(uri_open(uri), levels=3).run == 0
    assert [one.service for one in voxome.provenance(uri)].count("downsample") == 1


def test_an_image_without_z_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="axes z, y and x"):
        voxome.downsample(some_image((20, 20, 20))[0], out=f"zarr://{tmp_path}/v.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_volume_that_was_removed_and_created_again_gets_its_levels(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/v.zarr"
    voxome.downsample(make(uri, some_image((40, 40, 40))))
    voxome.rm(uri)
    data = some_image((20, 20, 20))
    voxome.downsample(make(uri, data))
    check(uri, data, "mean", 3, (0, 0, 0))


def uri_open(uri: str) -> Volume:
    return voxome.open(uri, expect=Volume, mode="r+")


def test_wrong_input_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    labels = make(f"zarr://{tmp_path}/labels.zarr", some_labels((20, 20, 20)), kind="labels")
    before = sorted(tmp_path.rglob("*"))
    for options, error, message in (
        ({"method": "mean"}, InvalidInput, "labels, whose mean would be ids that do not exist"),
        ({"method": "media"}, UnknownName, "Unknown method 'media'; did you mean 'mean'"),
        ({"no_data": -1}, InvalidInput, "-1"),
        ({"no_data": 0.5}, InvalidInput, "0.5"),
        ({"factors": (1, 1, 1)}, InvalidInput, "as fine as the one before"),
        ({"factors": "2,2,2"}, InvalidInput, "factors"),
        ({"levels": 0}, InvalidInput, "levels"),
        ({"service": "own"}, UnsupportedFormat, "BossDB and DVID do"),
        ({"service": "locl"}, UnknownName, "did you mean 'local'"),
    ):
        with pytest.raises(error, match=message):
            voxome.downsample(labels, **options)  # type: ignore[arg-type]
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ReadOnly, match=r"mode='r\+'"):
        voxome.downsample(voxome.open(labels.uri, expect=Volume))
    assert len(voxome.open(labels.uri, expect=Volume).levels) == 1
    with pytest.raises(UnsupportedFormat, match=r"cannot have levels; write a copy that has, with out="):
        voxome.downsample(make(f"memory://{tmp_path.name}", some_image((8, 8, 8))))


COMMAND = """
import os, signal, sys, time, voxome
def stop(report):
    if report.name == sys.argv[2] and report.run >= 1:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
voxome.downsample(sys.argv[1], levels=5, progress=stop)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["levels 1 to 3", "level 2", "level 4"])
def test_a_killed_downsampling_is_unfinished_and_resumes(tmp_path: Path, stage: str) -> None:
    uri, data = f"zarr://{tmp_path}/v.zarr", some_labels()
    make(uri, data, kind="labels", start=START)
    environment = {**os.environ, "VOXOME_TRANSFER_BLOCK_BYTES": "20000"}
    command = [sys.executable, "-c", COMMAND, uri, stage]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with pytest.raises(InvalidInput, match=r"is not finished: the downsampling .* rerun that downsampling"):
        voxome.transfer(uri, f"zarr://{tmp_path}/other.zarr")
    report = voxome.downsample(uri_open(uri), levels=5)
    check(uri, data, "mode", 5)
    assert not list(tmp_path.rglob("*voxome-l*"))
    assert report.run > 0


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
def test_blocks_that_fail_are_named_and_computed_by_the_next_call(tmp_path: Path) -> None:
    uri, data = f"zarr://{tmp_path}/v.zarr", some_image((32, 32, 32))
    volume = make(uri, data)
    chunk = next(path for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.parts[-3:] == ("1", "1", "1"))
    content = chunk.read_bytes()
    chunk.write_bytes(b"damaged")
    with pytest.raises(RunFailed, match=r"jobs of the downsampling of .* failed:\n  - level 1 "):
        voxome.downsample(volume, levels=3)
    chunk.write_bytes(content)
    with pytest.raises(AlreadyExists, match="changed"):
        voxome.downsample(uri_open(uri), levels=3)
    voxome.downsample(uri_open(uri), levels=3, existing=True)
    check(uri, data, "mean", 3, (0, 0, 0))
