"""Locks in a store: held by one run at a time, and resumed by the same run."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier

import pytest

from voxome.errors import AccessDenied, ReadOnly, RunLocked, StoreError, VoxomeError
from voxome.storage.find import storage_at
from voxome.storage.lock import lock_store
from voxome.storage.path import StoragePath


@pytest.fixture
def folder(any_store: str) -> StoragePath:
    return storage_at(any_store)


def test_another_run_is_refused_and_the_holder_named(folder: StoragePath) -> None:
    with (
        lock_store(folder, "one", "host:/runs/one"),
        pytest.raises(RunLocked, match=r"in use by the run of host:/runs/one; .* remove .*lock\.json"),
        lock_store(folder, "two", "host:/runs/two"),
    ):
        pass


def test_the_lock_is_released_when_the_run_ends_or_fails(folder: StoragePath) -> None:
    with pytest.raises(ZeroDivisionError), lock_store(folder, "one", "host:/runs/one"):
        raise ZeroDivisionError
    with lock_store(folder, "two", "host:/runs/two"):
        pass
    assert not (folder / ".voxome" / "lock.json").exists()


def test_a_killed_run_resumes_its_own_lock(folder: StoragePath) -> None:
    (folder / ".voxome" / "lock.json").write_bytes(b'{"owner": "one", "holder": "host:/runs/one"}')
    with pytest.raises(RunLocked), lock_store(folder, "two", "host:/runs/two"):
        pass
    with lock_store(folder, "one", "host:/runs/one"):
        pass


def test_a_damaged_lock_file_still_locks_the_store(folder: StoragePath) -> None:
    (folder / ".voxome" / "lock.json").write_bytes(b"{")
    with pytest.raises(RunLocked, match="an unknown holder"), lock_store(folder, "one", "host:/runs/one"):
        pass


def test_one_of_several_runs_that_start_together_gets_the_lock(folder: StoragePath) -> None:
    barrier = Barrier(8)

    def attempt(number: int) -> bool:
        try:
            with lock_store(folder, str(number), f"run {number}"):
                barrier.wait(100)
        except RunLocked:
            barrier.wait(100)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


@pytest.mark.parametrize("error", [AccessDenied, ReadOnly, StoreError])
@pytest.mark.parametrize("body", [None, ZeroDivisionError])
def test_work_ends_as_it_did_if_its_lock_cannot_be_removed(
    folder: StoragePath,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[VoxomeError],
    body: type[Exception] | None,
) -> None:
    def refuse(self: StoragePath) -> None:
        raise error("may not delete")

    monkeypatch.setattr(type(folder), "unlink", refuse)
    with caplog.at_level(logging.WARNING), nullcontext() if body is None else pytest.raises(body):  # noqa: SIM117
        with lock_store(folder, "one", "host:/runs/one"):
            if body is not None:
                raise body
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("voxome")]
    assert "stays locked" in line
    assert "lock.json" in line
    assert "may not delete" in line
