"""Changes of a store that take long hold up no other requests."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import anyio
import pytest

from voxome.relay.rights import Rights
from voxome.relay.stores.properties import Properties
from voxome.relay.stores.store import Store
from voxome.relay.stores.uploads import Upload, Uploads
from voxome.relay.threads import RequestThreads

PART = (1, "0" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("scratch", tmp_path / "scratch", Rights(), lambda parts: nullcontext())


def free(current: Callable[[], str | None]) -> None:
    """Check nothing."""


def new(store: Store) -> Path:
    file = store.new_file()
    file.write_bytes(b"x")
    return file


def begin(store: Store) -> tuple[Uploads, Upload]:
    uploads = Uploads(store)
    upload = uploads.begin("a/z", Properties())
    uploads.put_part(upload, PART[0], new(store), PART[1])
    return uploads, upload


def put(store: Store) -> None:
    store.put("a/x", new(store), Properties(), free)


def delete(store: Store) -> None:
    store.delete("a/y", free)


def complete(store: Store) -> None:
    uploads, upload = begin(store)
    uploads.complete(upload, [PART], free)


@pytest.mark.parametrize("change", [put, delete, complete])
def test_who_waits_for_a_folder_that_another_process_holds_lets_others_work(
    store: Store, change: Callable[[Store], None]
) -> None:
    async def run() -> None:
        threads = RequestThreads(working=1)
        lock = os.open(store.own / "locks" / str(zlib.crc32(b"a") % 64), os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with anyio.create_task_group() as group:
            group.start_soon(threads.run, change, store)
            try:
                await anyio.lowlevel.checkpoint()
                with anyio.fail_after(10):
                    await threads.run(str)
            finally:
                os.close(lock)

    anyio.run(run)


def test_a_request_that_is_repeated_while_its_upload_ends_finds_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads, upload = begin(store)
    seen = []
    monkeypatch.setattr("voxome.relay.stores.uploads.shutil.rmtree", lambda folder: seen.extend(uploads.all()))
    uploads.complete(upload, [PART], free)
    assert seen == []
    assert list((store.own / "uploads").iterdir()) == []


def test_what_killed_processes_have_left_is_removed_in_time(store: Store) -> None:
    file, folder, fresh = new(store), store.new_file(), new(store)
    folder.mkdir()
    (folder / "00001").write_bytes(b"x")
    for one in (file, folder):
        os.utime(one, (0, 0))
    Store("scratch", store.folder.path, Rights(), lambda parts: nullcontext())
    assert list((store.own / "new").iterdir()) == [fresh]
