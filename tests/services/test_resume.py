"""An interrupted transfer resumes, and never writes into the target of another one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers.s3 import Bucket

import voxome
from voxome.errors import AccessDenied, AlreadyExists, PlanError, RunFailed, RunLocked, UnsupportedFormat
from voxome.resources.volume import Volume
from voxome.services.transfer import prepare
from voxome.services.transfer.copy import Copy
from voxome.services.transfer.verification import is_verified
from voxome.storage.path import StoragePath

CHUNK = (16, 16, 16)
SHAPE = (64, 64, 64)
pytestmark = pytest.mark.usefixtures("small_blocks")


def make(folder: Path, name: str = "a.zarr", **spec: Any) -> Volume:
    volume = voxome.create(f"zarr://{folder}/{name}", voxome.VolumeSpec.of(SHAPE, "uint8", chunk=CHUNK, **spec))
    volume[...] = np.random.default_rng(0).integers(1, 255, SHAPE)
    return volume


def damage(volume: Volume) -> tuple[Path, bytes]:
    """Make a chunk of the second half unreadable, which its size and time do not show; return its path and content."""
    chunk = next(
        path for path in sorted(Path(volume.uri.partition("://")[2]).rglob("*")) if path.parts[-3:-1] == ("3", "2")
    )
    before = chunk.read_bytes()
    replace_bytes(chunk, b"no chunk".ljust(len(before)))
    return chunk, before


def replace_bytes(file: Path, content: bytes) -> None:
    """Write a file as a disk damages it: its time stays."""
    time_ns = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(time_ns, time_ns))


def interrupted(source: Volume, target: str) -> int:
    """Let a transfer fail at one chunk; return the number of blocks that it copied."""
    chunk, before = damage(source)
    with pytest.raises(RunFailed, match=r"1 of 64 jobs of the transfer failed:\n  - 48:64,32:48,"):
        voxome.transfer(source, target, chunk=CHUNK)
    replace_bytes(chunk, before)
    return 63


@pytest.mark.slow
@pytest.mark.parametrize("target", ["zarr://{}/b.zarr", "n5://{}/b", "precomputed://{}/b", "hdf5://{}/b.h5/v"])
def test_only_missing_blocks_are_copied(tmp_path: Path, target: str) -> None:
    source, uri = make(tmp_path), target.format(tmp_path)
    assert interrupted(source, uri) == 63
    report = voxome.transfer(source, uri, chunk=CHUNK)
    assert (report.run, report.reused) == (1, 63)
    assert np.array_equal(voxome.open(uri)[...], source[...])
    again = voxome.transfer(source, uri, chunk=CHUNK)
    assert (again.run, again.reused, again.bytes) == (0, 64, 0)


@pytest.mark.slow
def test_an_unfinished_target_is_refused_by_any_other_transfer(tmp_path: Path) -> None:
    source, uri = make(tmp_path), f"zarr://{tmp_path}/b.zarr"
    interrupted(source, uri)
    others: list[dict[str, Any]] = [{"box": "0:32,0:64,0:64"}, {"dtype": "uint16"}, {"chunk": (8, 8, 8)}]
    for changes in others:
        with pytest.raises(AlreadyExists, match="is not from this transfer"):
            voxome.transfer(source, uri, **{"chunk": CHUNK, **changes})
    with pytest.raises(AlreadyExists, match="is not from this transfer"):
        voxome.transfer(make(tmp_path, "c.zarr"), uri, chunk=CHUNK)


@pytest.mark.slow
def test_levels_can_be_added_later(tmp_path: Path) -> None:
    source, uri = make(tmp_path, voxel_size_nm=(8, 8, 8)), f"precomputed://{tmp_path}/b"
    voxome.transfer(source, uri, chunk=CHUNK)
    report = voxome.transfer(source, uri, chunk=CHUNK, levels=2)
    assert (report.reused, report.run) == (64, report.blocks - 64)
    assert voxome.open(uri, level=1).shape == (32, 32, 32)


@pytest.mark.slow
def test_a_removed_destination_is_created_again(tmp_path: Path) -> None:
    source, uri = make(tmp_path), f"zarr://{tmp_path}/b.zarr"
    interrupted(source, uri)
    shutil.rmtree(tmp_path / "b.zarr")
    report = voxome.transfer(source, uri, chunk=CHUNK)
    assert (report.run, report.reused) == (64, 0)
    assert np.array_equal(voxome.open(uri)[...], source[...])


@pytest.mark.slow
def test_a_destination_that_was_replaced_is_refused(tmp_path: Path) -> None:
    source, uri = make(tmp_path), f"zarr://{tmp_path}/b.zarr"
    interrupted(source, uri)
    shutil.rmtree(tmp_path / "b.zarr")
    voxome.create(uri, source.spec)
    with pytest.raises(AlreadyExists, match="has changed since this transfer started"):
        voxome.transfer(source, uri, chunk=CHUNK)
    report = voxome.transfer(source, uri, chunk=CHUNK, existing=True)
    assert (report.run, report.reused) == (64, 0)


@pytest.mark.slow
def test_a_source_that_was_replaced_is_refused(tmp_path: Path) -> None:
    source, uri = make(tmp_path), f"zarr://{tmp_path}/b.zarr"
    voxome.transfer(source, uri)
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(AlreadyExists, match=r"a\.zarr has changed"):
        voxome.transfer(make(tmp_path), uri)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["zarr", "n5", "precomputed"])
@pytest.mark.parametrize("options", [{}, {"levels": 2}])
def test_a_source_whose_voxels_have_changed_is_refused(tmp_path: Path, scheme: str, options: dict[str, Any]) -> None:
    spec = voxome.VolumeSpec.of((32, 32, 32), "uint8", chunk=CHUNK, voxel_size_nm=(8, 8, 8))
    source = voxome.create(f"{scheme}://{tmp_path}/a", spec)
    source[...] = 3
    uri = f"zarr://{tmp_path}/b.zarr"
    first = voxome.transfer(source, uri, chunk=CHUNK, **options)
    assert voxome.transfer(source, uri, chunk=CHUNK, **options).reused == first.blocks
    source[20:22, 3, 4] = 5
    with pytest.raises(AlreadyExists, match=r"a has changed since this transfer started"):
        voxome.transfer(source, uri, chunk=CHUNK, **options)
    voxome.transfer(source, uri, chunk=CHUNK, existing=True, **options)
    assert np.array_equal(voxome.open(uri)[...], source[...])


@pytest.mark.slow
def test_a_rerun_says_that_changes_of_a_bucket_cannot_be_seen(
    tmp_path: Path, bucket: Bucket, fresh_key: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    source = voxome.create(f"zarr://{bucket.uri(fresh_key())}", voxome.VolumeSpec.of(CHUNK, "uint8", chunk=CHUNK))
    uri = f"zarr://{tmp_path}/b.zarr"
    voxome.transfer(source, uri)
    assert "cannot tell" not in caplog.text
    voxome.transfer(source, uri, verify="all")
    assert "cannot tell" not in caplog.text
    assert voxome.transfer(source, uri).reused == 1
    assert "cannot tell whether its voxels have changed" in caplog.text


@pytest.mark.slow
def test_an_existing_array_is_written_only_if_allowed_and_if_it_fits(tmp_path: Path) -> None:
    source = make(tmp_path, voxel_size_nm=(8, 8, 8))
    uri = f"zarr://{tmp_path}/b.zarr"
    spec = voxome.VolumeSpec.of((80, 64, 64), "uint8", start=(-10, 0, 0), chunk=(16, 32, 16), voxel_size_nm=(8, 8, 8))
    target = voxome.create(uri, spec)
    target[...] = 7
    with pytest.raises(AlreadyExists, match="existing=True"):
        voxome.transfer(source, uri)
    box = "3:50,1:63,10:60"
    first = voxome.transfer(source, uri, box=box, existing=True)
    expected = np.full(target.shape, 7, np.uint8)
    expected[13:60, 1:63, 10:60] = source[3:50, 1:63, 10:60]
    assert np.array_equal(target[...], expected)
    again = voxome.transfer(source, uri, box=box, existing=True)
    assert (again.run, again.reused) == (first.run, 0)
    with pytest.raises(PlanError) as error:
        voxome.transfer(source, uri, dtype="uint16", existing=True, drop=["voxel_size"])
    assert len(error.value.problems) == 2
    other = voxome.create(f"zarr://{tmp_path}/c.zarr", voxome.VolumeSpec.of((32, 64, 64), "uint8"))
    with pytest.raises(PlanError, match="does not contain"):
        voxome.transfer(source, other, drop=["voxel_size"])


def test_a_second_transfer_to_the_same_destination_is_refused(tmp_path: Path) -> None:
    source, uri = make(tmp_path), f"zarr://{tmp_path}/b.zarr"

    def progress(_: object) -> None:
        with pytest.raises(RunLocked):
            voxome.transfer(source, uri)

    voxome.transfer(source, uri, progress=progress)


@pytest.mark.slow
@pytest.mark.parametrize("version", [None, 0, 2])
def test_the_state_of_another_version_is_refused(tmp_path: Path, state: Path, version: int | None) -> None:
    source = make(tmp_path)
    voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", chunk=CHUNK)
    (facts,) = state.rglob("transfer.json")
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "format_version": version}))
    with pytest.raises(UnsupportedFormat, match=r"transfer\.json is a transfer state .*reads version 1"):
        voxome.transfer(source, f"zarr://{tmp_path}/b.zarr", chunk=CHUNK)


@pytest.mark.slow
@pytest.mark.parametrize("box", ["0:64,0:64,0:64", "0:32,0:64,0:64"])
def test_a_transfer_of_another_part_is_refused_meanwhile(tmp_path: Path, box: str) -> None:
    source, uri = make(tmp_path), f"zarr://{tmp_path}/b.zarr"

    def progress(_: object) -> None:
        with pytest.raises(RunLocked, match=r"Another transfer to zarr://.*b\.zarr is running \(process \d+\)"):
            voxome.transfer(source, uri, box=box, existing=True)

    voxome.transfer(source, uri, progress=progress)
    assert voxome.transfer(source, uri, box=box, existing=True).run


@pytest.mark.slow
@pytest.mark.parametrize("where", ["local", "s3"])
def test_a_transfer_of_another_machine_is_refused_meanwhile(
    where: str, tmp_path: Path, bucket: Bucket, fresh_key: Callable[[], str]
) -> None:
    source = make(tmp_path)
    folder = str(tmp_path / "new") if where == "local" else bucket.uri(fresh_key()).partition("?")[0]
    uri = f"zarr://{folder}/b.zarr" + ("" if where == "local" else f"?endpoint={bucket.url}")

    def progress(_: object) -> None:
        with pytest.raises(RunLocked, match=r"b\.zarr.* is in use by the transfer of .*elsewhere.* remove .*-lock"):
            voxome.transfer(source, uri, state=tmp_path / "here", existing=True)

    voxome.transfer(source, uri, state=tmp_path / "elsewhere", progress=progress)
    assert not list((tmp_path / "here").iterdir())
    voxome.transfer(source, uri, state=tmp_path / "here", existing=True)
    names = [path.name for path in (tmp_path / "new").glob("*")] if where == "local" else bucket.keys(folder[12:])
    assert not [name for name in names if "lock" in name]


def test_the_transfer_that_was_killed_takes_up_its_lock(tmp_path: Path) -> None:
    source, uri, lock = make(tmp_path), f"zarr://{tmp_path}/b.zarr", tmp_path / ".b.zarr.voxome-lock"
    held: list[bytes] = []
    voxome.transfer(source, uri, progress=lambda _: held.append(lock.read_bytes()))
    lock.write_bytes(held[0])
    with pytest.raises(RunLocked, match="if that transfer has ended, remove"):
        voxome.transfer(source, uri, state=tmp_path / "elsewhere", existing=True)
    voxome.transfer(source, uri)
    assert not lock.exists()


def test_a_refused_transfer_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat):
        voxome.transfer(make(tmp_path), f"n5://{tmp_path}/new/below/b.n5", encoding={"codec": "none such"})
    assert not (tmp_path / "new").exists()


def test_a_destination_that_cannot_be_locked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> bool:
        raise AccessDenied("not allowed")

    monkeypatch.setattr(StoragePath, "change_file", refuse)
    voxome.transfer(make(tmp_path), f"zarr://{tmp_path}/b.zarr")
    assert "b.zarr is not locked against transfers of other machines: not allowed" in caplog.text


@pytest.mark.slow
def test_a_target_that_cannot_be_removed_is_filled_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, uri = make(tmp_path), f"hdf5://{tmp_path}/b.h5/raw"
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "discard", lambda _: False)
        with pytest.raises(UnsupportedFormat, match="cannot have levels") as error:
            voxome.transfer(source, uri, levels=2)
    assert "was created and is empty" in error.value.__notes__[0]
    assert voxome.transfer(source, uri).run
    assert np.array_equal(voxome.open(uri)[...], source[...])


def test_a_refused_transfer_leaves_no_trace(tmp_path: Path, state: Path) -> None:
    source = make(tmp_path, voxel_size_nm=(8, 8, 8))
    with pytest.raises(Exception, match="cannot store the voxel size"):
        voxome.transfer(source, f"npy://{tmp_path}/b.npy")
    assert not list(state.iterdir())


@pytest.mark.slow
def test_a_full_disk_is_reported_and_the_same_call_resumes(tmp_path: Path) -> None:
    source = make(tmp_path)
    uri = f"zarr://{tmp_path}/b.zarr"
    code = f"""
import resource, voxome
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
voxome.transfer({source.uri!r}, {uri!r}, chunk=(64, 64, 64))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "RunFailed: 1 of 1 jobs of the transfer failed:\n  - 0:64,0:64,0:64: " in done.stderr
    assert "File too large" in done.stderr
    voxome.transfer(source, uri, chunk=(64, 64, 64))
    assert np.array_equal(voxome.open(uri)[...], source[...])


def finished(state: Path) -> set[int]:
    """Return the blocks in the ledger."""
    files = list(state.glob("*/*/.voxome/transfer.sqlite"))
    if not files:
        return set()
    try:
        with closing(sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True)) as ledger:
            return {row[0] for row in ledger.execute("SELECT job FROM jobs")}
    except sqlite3.OperationalError:
        return set()


def written_at(grid: Copy, array: Path, blocks: set[int]) -> dict[int, int]:
    """Return the modification times of the chunks of blocks."""
    starts = {index: grid.grid[index].write.start for index in blocks}
    return {
        index: (array / "c" / "/".join(str(i // 16) for i in at)).stat().st_mtime_ns for index, at in starts.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_transfer_killed_ten_times_resumes(tmp_path: Path, state: Path, workers: int) -> None:
    volume = voxome.create(f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((96, 128, 128), "uint8", chunk=CHUNK))
    volume[...] = np.random.default_rng(0).integers(1, 255, volume.shape)
    target = f"zarr://{tmp_path}/b.zarr"
    options = ["--chunk", "16,16,16", "--codec", "raw", "--workers", str(workers), "--levels", "2", "--json"]
    command = [sys.executable, "-m", "voxome.cli.main", "transfer", volume.uri, target, *options]
    rng, times, done = random.Random(workers), dict[int, int](), set[int]()
    whole = str(volume.domain)
    plan = Copy(
        name="copy",
        source=volume.uri,
        target=target,
        domain=whole,
        box=whole,
        block=CHUNK,
        dtype="uint8",
        shift=(0, 0, 0),
    )
    for _ in range(10):
        wanted, process = len(done) + rng.randint(1, 30), subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(finished(state)) < wanted:
            time.sleep(rng.random() / 500)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        done = finished(state) & set(range(len(plan.grid)))
        times |= {k: v for k, v in written_at(plan, tmp_path / "b.zarr/0", done).items() if k not in times}
    assert 10 <= len(done) <= len(plan.grid)
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert report["reused"] >= len(done)
    assert written_at(plan, tmp_path / "b.zarr/0", set(times)) == times
    assert np.array_equal(voxome.open(target)[...], volume[...])
    voxome.transfer(volume, f"zarr://{tmp_path}/c.zarr", levels=2, chunk=CHUNK, encoding={"codec": "raw"})
    files = {path.relative_to(tmp_path / "c.zarr") for path in (tmp_path / "c.zarr").rglob("*") if path.is_file()}
    assert files == {
        path.relative_to(tmp_path / "b.zarr") for path in (tmp_path / "b.zarr").rglob("*") if path.is_file()
    }
    assert all(
        (tmp_path / "c.zarr" / one).read_bytes() == (tmp_path / "b.zarr" / one).read_bytes()
        for one in files
        if one.name != "zarr.json"
    )


def test_a_sample_has_the_ends_and_about_one_block_in_16() -> None:
    for count in (1, 2, 1000):
        chosen = [index for index in range(count) if is_verified("sampled", 0, index, count)]
        assert {0, count - 1} <= set(chosen)
        assert len(chosen) <= max(2, count // 10)
    assert len(chosen) >= 50
    assert chosen != [index for index in range(1000) if is_verified("sampled", 1, index, 1000)]
    assert not any(is_verified("none", 0, index, 9) for index in range(9))
    assert all(is_verified("all", 0, index, 9) for index in range(9))
