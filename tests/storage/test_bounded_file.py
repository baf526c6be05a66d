"""Reads of files have limits: that of the file, and for metadata one of 64 MiB; pipes have no end, and are refused."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import CorruptData, StoreError, UnsupportedFormat
from voxome.storage import bounded_file
from voxome.storage.bounded_file import BoundedFile, read_document, read_end
from voxome.storage.local import LocalPath


def test_no_read_takes_more_memory_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with BoundedFile(tmp_path / "a") as file:
        assert file.read(4) == b"0123"
        assert file.read(1 << 62) == b"456789"
        assert file.read() == b""
        file.seek(8)
        assert file.read() == b"89"


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="a pipe or a device"):
        LocalPath(str(tmp_path / "pipe")).open_file()
    with pytest.raises(OSError, match="a pipe or a device"):
        read_document(tmp_path / "pipe")


def test_metadata_have_a_limit_on_disk_and_in_zips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(4, 4, 4))
    for scheme, name in (("zarr", "zarr.json"), ("n5", "attributes.json"), ("precomputed", "info")):
        voxome.create(f"{scheme}://{tmp_path}/{scheme}", spec)
        metadata = tmp_path / scheme / name
        metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "x": "x" * 10_000}))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted((tmp_path / "zarr").rglob("*")):
            packed.write(file, file.relative_to(tmp_path / "zarr"))
    for uri in ("zarr://{}/zarr", "n5://{}/n5", "precomputed://{}/precomputed", "zarr://{}/a.zip"):
        assert voxome.open(uri.format(tmp_path), expect=voxome.Volume).shape == (4, 5, 6)
        with monkeypatch.context() as patched:
            patched.setattr(bounded_file, "MOST_DOCUMENT_BYTES", 10_000)
            with pytest.raises(CorruptData, match="has more than 10,000 bytes"):
                voxome.open(uri.format(tmp_path))


def test_a_file_in_a_zip_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    voxome.put(np.zeros((40, 50, 60), np.uint8), f"zarr://{tmp_path}/a")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted((tmp_path / "a").rglob("*")):
            packed.write(file, file.relative_to(tmp_path / "a"))
        packed.writestr("bomb", bytes(1 << 21))
    voxome.configure(largest_chunk_bytes=1 << 20)
    try:
        with pytest.raises(UnsupportedFormat, match="bomb has 2,097,152 bytes, more than are read at once"):
            voxome.open(tmp_path / "a.zip")
    finally:
        voxome.configure(largest_chunk_bytes=None)
    assert voxome.open(tmp_path / "a.zip", expect=voxome.Volume).shape == (40, 50, 60)


def test_only_the_end_of_a_long_text_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"x" * 100 + "é".encode() + b"end")
    assert read_end(file, 1000) == "x" * 100 + "éend"
    assert read_end(file, 3) == "end"
    assert read_end(file, 4) == "\ufffdend"
