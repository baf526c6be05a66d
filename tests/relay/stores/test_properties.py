"""What is known of an object beyond its content."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from voxome.relay.rights import PUBLIC_READ
from voxome.relay.stores.properties import Properties, PropertyFiles
from voxome.relay.stores.store import Store
from voxome.relay.stores.uploads import Uploads

OLD, NEW = Properties("1-2", "text/old", {"content-encoding": "gzip"}), Properties("3-4", "text/new")


def free(current: Callable[[], str | None]) -> None:
    """Check nothing."""


def create_store(folder: Path) -> Store:
    return Store("scratch", folder, PUBLIC_READ, lambda parts: nullcontext())


def put(store: Store, content: bytes, properties: Properties) -> None:
    file = store.new_file()
    file.write_bytes(content)
    store.put("a/k", file, properties, free)


def get(store: Store) -> tuple[bytes, Properties]:
    found = store.open("a/k")
    try:
        return found.file.read(), found.properties
    finally:
        found.close()


@pytest.mark.parametrize("replaced", [(b"new", NEW), (b"old", NEW), (b"new", Properties())])
def test_an_object_that_is_replaced_while_it_is_opened_has_its_own_properties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: tuple[bytes, Properties]
) -> None:
    store, read = create_store(tmp_path / "a"), PropertyFiles.read
    put(store, b"old", OLD)

    def read_late(self: PropertyFiles, key: str, status: os.stat_result) -> Properties:
        monkeypatch.setattr(PropertyFiles, "read", read)
        put(store, *replaced)
        return read(self, key, status)

    monkeypatch.setattr(PropertyFiles, "read", read_late)
    assert get(store) == replaced


def test_a_copy_of_the_folder_of_a_store_has_the_properties(tmp_path: Path) -> None:
    put(create_store(tmp_path / "a"), b"old", OLD)
    subprocess.run(["cp", "-a", tmp_path / "a", tmp_path / "b"], check=True)
    assert get(create_store(tmp_path / "b")) == (b"old", OLD)


def test_properties_and_parts_are_on_the_disk_before_the_client_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, synced = create_store(tmp_path / "a"), list[str]()

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    monkeypatch.setattr(os, "fsync", note)
    put(store, b"old", OLD)
    kept = next((store.own / "properties").glob("*/*/*"))
    assert {str(one) for one in (kept.parent, *kept.parents[1:3], store.folder.path / "a")} <= set(synced)
    uploads = Uploads(store)
    upload = uploads.begin("k", Properties())
    synced.clear()
    part = store.new_file()
    part.write_bytes(b"x")
    uploads.put_part(upload, 1, part, "0" * 32)
    assert synced == [str(store.own / "uploads" / upload.id)]
