"""Locks on files, and on boxes: who waits for one keeps no slot from others."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

import anyio
import pytest

import voxome
from voxome.geometry import Box
from voxome.relay.accounts import PUBLIC, Accounts
from voxome.relay.box_locks import SharedBoxLocks
from voxome.relay.cache.leases import Leases
from voxome.relay.catalogue.memory import MemoryCatalogue
from voxome.relay.dialects.boss.state import BossState
from voxome.relay.file_locks import claim_file, claimed_file, locked_file
from voxome.relay.relay import Relay
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.threads import RequestThreads

BOX = Box((0, 0, 0), (1, 2, 3))
Hold = Callable[[], AbstractContextManager[object]]


def hold_a_file(folder: Path) -> Hold:
    return lambda: locked_file(folder / "lock")


def hold_a_box_in_this_process(folder: Path) -> Hold:
    locks = SharedBoxLocks()
    return lambda: locks.hold("em", BOX)


def hold_a_box_in_any_process(folder: Path) -> Hold:
    return lambda: SharedBoxLocks(folder).hold("em", BOX)


def hold_a_lease(folder: Path) -> Hold:
    return lambda: Leases(folder).hold(b"some key", 0)


def hold_an_object_of_a_store(folder: Path) -> Hold:
    sources = Sources()
    sources.add_store("store", folder, Rights(frozenset({PUBLIC}), frozenset({PUBLIC})))
    return lambda: sources.stores["store"].locked(("em.zarr",), exclusive=True)


def hold_the_records_of_bossdb(folder: Path) -> Hold:
    catalogue = MemoryCatalogue()
    boss = BossState(Relay(catalogue, Accounts(catalogue), "memory://unused", Sources()))
    return boss.locked


@pytest.mark.parametrize(
    "locks",
    [
        hold_a_file, hold_a_box_in_this_process, hold_a_box_in_any_process, hold_a_lease, hold_an_object_of_a_store,
        hold_the_records_of_bossdb,
    ],
)  # fmt: skip
def test_requests_that_wait_for_a_lock_keep_no_slot(tmp_path: Path, locks: Callable[[Path], Hold]) -> None:
    hold, waits, free = locks(tmp_path), Event(), Event()

    def wait_for_the_lock() -> str:
        waits.set()
        with hold():
            return "held"

    async def run() -> None:
        threads, answers = RequestThreads(1), []

        async def ask() -> None:
            answers.append(await threads.run(wait_for_the_lock))

        def keep() -> None:
            with hold():
                held.set()
                free.wait(100)

        held = Event()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, keep)
            await anyio.to_thread.run_sync(held.wait)
            for _ in range(3):
                group.start_soon(ask)
            await anyio.to_thread.run_sync(waits.wait)
            try:
                with anyio.fail_after(20):
                    assert await threads.run(lambda: "another request") == "another request"
            finally:
                free.set()
        assert answers == ["held"] * 3

    anyio.run(run)


def test_a_file_is_claimed_by_one_until_it_is_closed(tmp_path: Path) -> None:
    file = claim_file(tmp_path / "lock")
    assert file is not None
    assert claim_file(tmp_path / "lock") is None
    with claimed_file(tmp_path / "lock") as is_ours:
        assert not is_ours
    os.close(file)
    with claimed_file(tmp_path / "lock") as is_ours:
        assert is_ours


def test_a_lock_that_is_shared_lets_others_in(tmp_path: Path) -> None:
    with locked_file(tmp_path / "lock", shared=True), locked_file(tmp_path / "lock", shared=True):
        assert claim_file(tmp_path / "lock") is None


def test_a_file_that_cannot_be_locked_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: int, operation: int) -> None:
        files.append(file)
        raise OSError(errno.ENOLCK, "No locks available")

    files: list[int] = []
    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="No locks available"), locked_file(tmp_path / "lock"):
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(files[0])


def test_only_one_module_of_the_relay_locks_files() -> None:
    folder = Path(voxome.__file__).parent / "relay"
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(one.name == "fcntl" for one in node.names)
    }
    assert found == {"file_locks.py"}
