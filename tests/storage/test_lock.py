"""Locks in a store: one run at a time, taken up again by the same run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from standins.s3 import Bucket

from voxome.errors import RunLocked
from voxome.storage.find import storage_at
from voxome.storage.lock import lock_store
from voxome.storage.path import StoragePath


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket, fresh_key: Callable[[], str]) -> StoragePath:
    return storage_at(str(tmp_path) if request.param == "local" else bucket.uri(fresh_key()))


def test_another_run_is_refused_with_the_name_of_the_holder(folder: StoragePath) -> None:
    with (
        lock_store(folder, "one", "host:/runs/one"),
        pytest.raises(RunLocked, match=r"in use by the run of host:/runs/one; .* remove .*lock\.json"),
        lock_store(folder, "two", "host:/runs/two"),
    ):
        pass


def test_the_lock_goes_with_the_run_also_when_it_fails(folder: StoragePath) -> None:
    with pytest.raises(ZeroDivisionError), lock_store(folder, "one", "host:/runs/one"):
        raise ZeroDivisionError
    with lock_store(folder, "two", "host:/runs/two"):
        pass
    assert not (folder / ".voxome" / "lock.json").exists()


def test_a_killed_run_takes_up_its_own_lock(folder: StoragePath) -> None:
    (folder / ".voxome" / "lock.json").write_bytes(b'{"owner": "one", "holder": "host:/runs/one"}')
    with pytest.raises(RunLocked), lock_store(folder, "two", "host:/runs/two"):
        pass
    with lock_store(folder, "one", "host:/runs/one"):
        pass


def test_a_damaged_lock_is_not_taken_for_a_free_store(folder: StoragePath) -> None:
    (folder / ".voxome" / "lock.json").write_bytes(b"{")
    with pytest.raises(RunLocked, match="an unknown holder"), lock_store(folder, "one", "host:/runs/one"):
        pass


def test_of_runs_that_start_together_one_gets_the_store(folder: StoragePath) -> None:
    barrier = Barrier(8)

    def attempt(number: int) -> bool:
        try:
            with lock_store(folder, str(number), f"run {number}"):
                barrier.wait(20)
        except RunLocked:
            barrier.wait(20)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
