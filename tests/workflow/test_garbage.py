"""Caches and intermediate data within a number of bytes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.s3 import Bucket

from voxome.contracts.formats import RUN
from voxome.errors import NotFound, UnsupportedFormat
from voxome.records.folder import lock_folder, write_json
from voxome.storage.find import storage_at
from voxome.storage.lock import lock_store
from voxome.workflow.foreign.cache import ResultCache
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.foreign.results import JobFolder, Result
from voxome.workflow.garbage import find_garbage

NBYTES = 1000


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """Function that makes the folder of a run with a result and data of two steps."""

    def make(name: str, ended_s: float | None = 100.0, *, is_store: bool = False) -> Path:
        folder = tmp_path / "all" / name
        for step in ("mark-1", "join-2"):
            part = folder / ".voxome" / "steps" / step
            (part / "result.zarr").mkdir(parents=True)
            (part / "result.zarr" / "0").write_bytes(b"x" * NBYTES)
            (part / "step.json").write_text("")
        (folder / "neurons.zarr").mkdir()
        (folder / "neurons.zarr" / "0").write_bytes(b"y" * NBYTES)
        if not is_store:
            (folder / ".voxome" / "lock").touch()
        if ended_s is not None:
            write_json(folder / "run.json", RUN.stamp({"store": None, "started_s": ended_s - 1, "wall_s": 1.0}))
        return folder

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Callable[[str, float], ResultCache]:
    """Function that stores a result in a cache."""
    made = ResultCache(tmp_path / "all" / "cache", Digests())

    def store(key: str, used_s: float) -> ResultCache:
        folder = JobFolder(tmp_path / f"job-{key}")
        folder.clear()
        (folder.work / "out").write_bytes(b"z" * NBYTES)
        digest = Digests().file(folder.work / "out")
        made.store(Result(key, key, {}, {"out": (NBYTES, digest)}, (), 1.0, 1), folder)
        os.utime(tmp_path / "all" / "cache" / key[:2] / key / "result.json", (used_s, used_s))
        return made

    return store


def names(address: Path | str, nbytes: int) -> list[str]:
    return [Path(one.name).name for one in find_garbage(str(address)).beyond(nbytes)]


def test_the_least_recently_used_data_of_caches_and_runs_go_first(
    run: Callable[..., Path], cache: Callable[[str, float], ResultCache], tmp_path: Path
) -> None:
    run("old", 100.0)
    run("new", 300.0)
    cache("aa1", 50.0)
    cache("bb2", 200.0)
    where = tmp_path / "all"
    found = find_garbage(str(where))
    assert found.kept == ()
    assert found.nbytes >= 6 * NBYTES
    assert names(where, found.nbytes) == []
    assert names(where, found.nbytes - 1) == ["aa1"]
    assert names(where, 0) == ["aa1", "join-2", "mark-1", "bb2", "join-2", "mark-1"]


def test_results_stay(run: Callable[..., Path]) -> None:
    folder = run("one")
    for one in find_garbage(str(folder)).beyond(0):
        assert one.remove()
    assert [path.name for path in (folder / ".voxome" / "steps").iterdir()] == []
    assert (folder / "neurons.zarr" / "0").read_bytes() == b"y" * NBYTES


def test_steps_with_results_of_the_run_stay(run: Callable[..., Path]) -> None:
    folder = run("one")
    found = find_garbage(str(folder)).beyond(0)
    values = {"all": [{"labels": "zarr://./.voxome/steps/mark-1/result.zarr"}]}
    record = {"store": None, "started_s": 99.0, "wall_s": 1.0, "outputs": {}, "values": values}
    write_json(folder / "run.json", RUN.stamp(record))
    assert names(folder, 0) == ["join-2"]
    assert [one.remove() for one in found] == [True, False]
    assert (folder / "run.json").exists()
    assert find_garbage(str(folder)).nbytes == 0


def test_a_result_that_is_taken_again_is_used_last(cache: Callable[[str, float], ResultCache], tmp_path: Path) -> None:
    cache("aa1", 50.0)
    results = cache("bb2", 200.0)
    folder = JobFolder(tmp_path / "taken")
    assert results.fetch("aa1", folder) is not None
    assert names(tmp_path / "all" / "cache", 1) == ["bb2", "aa1"]


def test_a_result_that_is_being_copied_stays(cache: Callable[[str, float], ResultCache], tmp_path: Path) -> None:
    results = cache("aa1", 50.0)
    (entry,) = find_garbage(str(tmp_path / "all" / "cache")).removable
    with (tmp_path / "all" / "cache" / "aa" / "aa1" / "result.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not entry.remove()
    assert results.fetch("aa1", JobFolder(tmp_path / "one")) is not None
    assert entry.remove()
    assert results.fetch("aa1", JobFolder(tmp_path / "two")) is None
    assert list((tmp_path / "all" / "cache" / "aa").iterdir()) == []
    cache("aa1", 60.0)
    assert results.fetch("aa1", JobFolder(tmp_path / "three")) is not None


def test_data_of_a_run_in_progress_stay(run: Callable[..., Path]) -> None:
    folder = run("one")
    data = find_garbage(str(folder)).beyond(0)
    with lock_folder(folder):
        found = find_garbage(str(folder))
        assert found.removable == ()
        assert "in use by another run" in found.kept[0]
        assert not any(one.remove() for one in data)
    (folder / "run.json").unlink()  # as a run does that begins again
    assert not any(one.remove() for one in data)
    assert (folder / ".voxome" / "steps" / "mark-1" / "result.zarr" / "0").exists()


def test_data_of_a_run_that_has_not_finished_stay(run: Callable[..., Path], tmp_path: Path) -> None:
    run("one", None)
    run("two")
    found = find_garbage(str(tmp_path / "all"))
    assert len(found.removable) == 2
    assert "its run has not finished" in found.kept[0]


def test_a_store_in_use_stays(run: Callable[..., Path]) -> None:
    store = run("store", is_store=True)
    with lock_store(storage_at(str(store)), "run", "host:/folder"):
        found = find_garbage(str(store))
        assert found.removable == ()
        assert "in use by the run of host:/folder" in found.kept[0]
    assert all(one.remove() for one in find_garbage(str(store)).beyond(0))


def test_the_store_of_a_run_elsewhere_is_found_by_its_folder(run: Callable[..., Path]) -> None:
    folder, store = run("one"), run("elsewhere", is_store=True)
    write_json(folder / "run.json", RUN.stamp({"store": str(store), "started_s": 1.0, "wall_s": 1.0}))
    assert {one.name for one in find_garbage(str(folder)).removable} == {
        str(store / ".voxome" / "steps" / name) for name in ("mark-1", "join-2")
    }


@pytest.mark.slow
def test_a_store_in_a_bucket(run: Callable[..., Path], bucket: Bucket, fresh_key: Callable[[], str]) -> None:
    folder, there = run("one", is_store=True), storage_at(bucket.uri(fresh_key()))
    for path in folder.rglob("*"):
        if path.is_file():
            (there / path.relative_to(folder).as_posix()).write_bytes(path.read_bytes())
    found = find_garbage(there.address)
    assert found.nbytes == 2 * NBYTES
    assert all(one.remove() for one in found.beyond(0))
    assert find_garbage(there.address).nbytes == 0
    assert (there / "neurons.zarr" / "0").read_bytes() == b"y" * NBYTES


def test_other_folders_and_other_versions_are_refused(run: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="neither a cache, a run folder nor a store"):
        find_garbage(str(tmp_path / "empty"))
    folder = run("one")
    write_json(folder / "run.json", {"schema_version": 1})
    with pytest.raises(UnsupportedFormat, match="without a version"):
        find_garbage(str(folder))
