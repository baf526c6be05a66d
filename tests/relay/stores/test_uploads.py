"""Uploads in parts as folders of a store."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from voxome.relay.rights import PUBLIC_READ
from voxome.relay.stores.properties import Properties
from voxome.relay.stores.store import Store
from voxome.relay.stores.uploads import NoSuchUpload, Upload, Uploads

DAYS = 3


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("scratch", tmp_path / "scratch", PUBLIC_READ, lambda parts: nullcontext(), DAYS)


def folder(store: Store, upload: Upload) -> Path:
    return store.own / "uploads" / upload.id


def age(store: Store, upload: Upload) -> None:
    """Make an upload one to which nothing has come for too long."""
    then = time.time() - (DAYS + 1) * 86400
    os.utime(folder(store, upload), (then, then))


def test_an_upload_to_which_no_part_has_come_ends_in_time(store: Store) -> None:
    uploads = Uploads(store)
    old, young = uploads.begin("a", Properties()), uploads.begin("b", Properties())
    age(store, old)
    assert uploads.all() == [young]
    assert not folder(store, old).exists()


@pytest.mark.parametrize("record", [b"", b"\xff", b"[]", b"{}", b'{"properties": 1}'])
def test_an_upload_with_an_unreadable_record_does_not_exist(
    store: Store, record: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    uploads = Uploads(store)
    broken = uploads.begin("a", Properties())
    (folder(store, broken) / "upload.json").write_bytes(record)
    assert uploads.all() == []
    assert f"{broken.id}/upload.json" in caplog.text
    with pytest.raises(NoSuchUpload):
        uploads.find(broken.id, "a")
    age(store, broken)
    began = uploads.begin("b", Properties())
    assert uploads.all() == [began]
    assert not folder(store, broken).exists()
