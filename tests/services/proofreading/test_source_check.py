"""Supervoxels that have changed since the store was made."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.errors import InvalidInput
from voxome.services.proofreading.scan import digest_chunk
from voxome.services.proofreading.session import Session

CHANGED = r"has other voxels in .*: its voxels have changed since the store .*edits\.sqlite was made"


def labels() -> NDArray[np.uint64]:
    """Return two supervoxels in four chunks of 64³, one of them of zeros."""
    array = np.ones((10, 100, 100), np.uint64)
    array[:, 70:], array[:, 64:, 64:] = 2, 0
    return array


@pytest.fixture(params=["zarr://labels.zarr", "precomputed://labels", "hdf5://labels.h5/labels", "npy://labels.npy"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of `labels`, in a store of files."""
    monkeypatch.chdir(tmp_path)
    voxome.put(labels(), request.param, kind="labels", chunk=None if "npy" in request.param else (10, 50, 50))
    return str(request.param)


def make(uri: str) -> Session:
    session = voxome.proofread(uri, "edits.sqlite", author="ann")
    assert isinstance(session, Session)
    return session


@pytest.mark.slow
@pytest.mark.parametrize(
    "open",
    [make, lambda _: voxome.open("proofread://edits.sqlite")[...]],
    ids=["a session", "a reader"],
)
def test_another_known_id_in_a_chunk_is_an_error(uri: str, open: Callable[[str], object]) -> None:
    make(uri).merge([1, 2])
    open(uri)
    voxome.open(uri, mode="r+")[9, 69, 0] = np.uint64(2)
    with pytest.raises(InvalidInput, match=CHANGED):
        open(uri)
    voxome.open(uri, mode="r+")[9, 69, 0] = np.uint64(1)
    open(uri)


def test_what_needs_no_voxels_works_without_them(uri: str) -> None:
    make(uri).merge([1, 2])
    voxome.open(uri, mode="r+")[9, 69, 0] = np.uint64(2)
    session = voxome.proofread("proofread://edits.sqlite", author="bob")
    assert [one.action for one in session.history()] == ["merge"]
    assert session.undo(1).action == "undo"
    with pytest.raises(InvalidInput, match=CHANGED):
        session.segments_at([[9, 69, 0]])


def test_all_chunks_are_compared_on_request(uri: str) -> None:
    session = make(uri)
    assert session.compare_source() == []
    volume = voxome.open(uri, mode="r+")
    volume[9, 69, 0] = np.uint64(2)
    volume[0, 99, 99] = np.uint64(1)
    assert [str(box) for box in session.compare_source()] == ["0:10,64:100,0:64", "0:10,64:100,64:100"]


@pytest.mark.slow
def test_files_that_were_touched_are_compared_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    voxome.put(np.ones((1, 64, 64 * 20), np.uint64), "zarr://labels.zarr", kind="labels", chunk=(1, 64, 64))
    make("labels.zarr").close()
    read: list[object] = []

    def recording(voxels: NDArray[np.uint64]) -> bytes:
        read.append(voxels)
        return digest_chunk(voxels)

    monkeypatch.setattr("voxome.services.proofreading.source_check.digest_chunk", recording)
    make("labels.zarr").close()
    assert not read
    for path in (tmp_path / "labels.zarr").rglob("*"):
        os.utime(path, (0, 0))
    with caplog.at_level(logging.WARNING):
        make("labels.zarr").close()
    assert len(read) == 16
    assert "16 of its 20 chunks were compared, and are the same: `voxome proofread compare" in caplog.text
    session = voxome.proofread("proofread://edits.sqlite", author="ann")
    assert session.compare_source() == []
    read.clear()
    caplog.clear()
    make("labels.zarr").close()
    assert not read
    assert not caplog.text
