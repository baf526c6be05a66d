"""Chunks whose names the metadata do not give are warned of, and folders in the place of chunks refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from remotes.zarr.stores import at, edit
from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike

import voxome
from voxome.config import settings
from voxome.errors import CorruptData
from voxome.remotes.zarr import chunk_keys
from voxome.remotes.zarr.remote import ZarrRemote


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests perform jobs in this process as workers do, and may have used the same folder."""
    monkeypatch.setattr(settings, "_adopted", [])
    monkeypatch.setattr(chunk_keys, "_looked_at", set())


ARRAY = np.arange(1, 25, dtype="uint16").reshape(2, 3, 4)
WARNING = "chunks that its metadata cannot reach"


def write(path: Path, format: int, encoding: ChunkKeyEncodingLike | None = None) -> Path:
    zarr.create_array(path, data=ARRAY, chunks=(1, 3, 2), zarr_format=format, chunk_key_encoding=encoding)  # type: ignore[arg-type]
    return path


def v2(path: Path, written: str, declared: str | None) -> Path:
    write(path, 2, {"name": "v2", "separator": written})
    edit(path / ".zarray", dimension_separator=declared)
    return path


def v3(path: Path, written: tuple[str, str], declared: tuple[str, str]) -> Path:
    write(path, 3, {"name": written[0], "separator": written[1]})  # type: ignore[typeddict-item]
    edit(path / "zarr.json", chunk_key_encoding={"name": declared[0], "configuration": {"separator": declared[1]}})
    return path


NAMES_V3 = [(name, separator) for name in ("default", "v2") for separator in "/."]


@pytest.mark.parametrize(("written", "declared", "found"), [("/", None, "0"), ("/", ".", "0"), (".", "/", r"0\.0\.0")])
def test_unreachable_chunks_of_version_2_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: str, declared: str | None, found: str
) -> None:
    path = v2(tmp_path / "a.zarr", written, declared)
    assert not voxome.open(path, expect=voxome.Volume)[...].any()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert caplog.records[0].getMessage().startswith(f"{path} has {WARNING}, such as {found.replace(chr(92), '')}: ")
    assert "dimension_separator in .zarray" in caplog.text


@pytest.mark.parametrize("written", NAMES_V3)
@pytest.mark.parametrize("declared", NAMES_V3)
def test_unreachable_chunks_of_version_3_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: tuple[str, str], declared: tuple[str, str]
) -> None:
    source = ZarrRemote().open(at(v3(tmp_path / "a.zarr", written, declared)))
    assert (WARNING in caplog.text) == (written != declared)
    assert source.read(source.spec.domain).any() == (written == declared)


@pytest.mark.parametrize(("separator", "declared"), [("/", "/"), (".", None), (".", ".")])
def test_chunks_that_are_found_are_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, separator: str, declared: str | None
) -> None:
    voxome.open(v2(tmp_path / "a.zarr", separator, declared))
    assert not caplog.records


@pytest.mark.parametrize("format", [2, 3])
def test_an_array_with_fewer_axes_than_its_chunks_is_refused(tmp_path: Path, format: int) -> None:
    path = write(tmp_path / "a.zarr", format, {"name": "v2", "separator": "/"})
    names = (".zarray", "chunks") if format == 2 else ("zarr.json", "chunk_grid")
    chunks = {2: [3, 2], 3: {"name": "regular", "configuration": {"chunk_shape": [3, 2]}}}[format]
    extra = {"dimension_names": None} if format == 3 else {}
    edit(path / names[0], shape=[3, 4], **{names[1]: chunks}, **extra)
    with pytest.raises(CorruptData, match=f"{path}/0/0 is a folder in the place of a chunk"):
        voxome.open(path)


@pytest.mark.parametrize("separator", "/.")
def test_a_folder_in_the_place_of_a_chunk_is_refused(tmp_path: Path, separator: str) -> None:
    path = write(tmp_path / "a.zarr", 2, {"name": "v2", "separator": separator})
    chunk = path / separator.join("001")
    chunk.unlink()
    chunk.mkdir()
    for _ in range(2):
        with pytest.raises(CorruptData, match=f"{chunk} is a folder in the place of a chunk.*restore"):
            voxome.open(path)


def test_a_pipe_in_the_place_of_a_chunk_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", 2, {"name": "v2", "separator": "."})
    (path / "0.0.1").unlink()
    os.mkfifo(path / "0.0.1")
    with pytest.raises(CorruptData, match=r"0\.0\.1 is a pipe or a device in the place of a chunk"):
        voxome.open(path)


def test_a_chunk_that_is_a_link_to_nothing_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.zarr", 2, {"name": "v2", "separator": "."})
    (path / "0.0.0").rename(tmp_path / "fetched")
    (path / "0.0.0").symlink_to(tmp_path / "fetched")
    (path / "0.0.1").unlink()
    (path / "0.0.1").symlink_to(tmp_path / "elsewhere")
    voxome.open(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}/0.0.1 is a link to {tmp_path}/elsewhere, which does not exist: the voxels of such chunks read as if "
        "they were missing; restore the file"
    ]


def test_the_first_chunk_may_be_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = v2(tmp_path / "a.zarr", "/", None)
    for chunk in (path / "0").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    (path / "0" / "0").rmdir()
    (path / "0").rmdir()
    voxome.open(path)
    assert f"{WARNING}, such as 1:" in caplog.text


def test_unreachable_chunks_behind_http_are_warned_of(
    tmp_path: Path, serve: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    v2(tmp_path / "a.zarr", "/", None)
    voxome.open(f"zarr://{serve(tmp_path)}/a.zarr")
    assert f"{WARNING}, such as 0/0/0:" in caplog.text


def test_arrays_of_one_axis_have_one_name_for_each_chunk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=np.ones(7, "u1"), chunks=(2,), zarr_format=2)
    voxome.open(tmp_path / "a.zarr")
    assert not caplog.records


def test_an_array_is_looked_at_once_until_its_metadata_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, looks = v2(tmp_path / "a.zarr", "/", None), []
    look = chunk_keys._in_folder
    monkeypatch.setattr(chunk_keys, "_in_folder", lambda *args: looks.append(args) or look(*args))
    for _ in range(3):
        voxome.open(path)
    assert (len(looks), len(caplog.records)) == (1, 1)
    edit(path / ".zarray", dimension_separator="/")
    voxome.open(path)
    assert (len(looks), len(caplog.records)) == (2, 1)


def test_workers_do_not_look_for_unreachable_chunks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = v2(tmp_path / "a.zarr", "/", None)
    settings.adopt(settings.exported())
    voxome.open(path)
    assert not caplog.records


@pytest.mark.parametrize("call", [voxome.info, lambda path: voxome.transfer(path, f"zarr://{path}-copy")])
def test_functions_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture, call: Callable[[Path], Any]) -> None:
    call(v2(tmp_path / "a.zarr", "/", None))
    assert WARNING in caplog.text
