"""Stores are made of labels only, and belong to one volume."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from services.proofreading.conftest import LABELS, renumbered

import voxome
from voxome.errors import (
    InvalidInput,
    NotFound,
    StoreError,
    UnsupportedFormat,
)
from voxome.services.proofreading.session import Session

Open = Callable[..., Session]


@pytest.mark.parametrize("option", [{"mapping": ([1, 2], [1, 1])}, {"edges": ([1], [2], [0.5])}])
def test_who_is_too_late_to_make_a_store_loses_nothing_in_silence(
    labels_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: dict[str, Any]
) -> None:
    verb = importlib.import_module("voxome.services.proofreading.verb")
    scan = verb.scan

    def scan_too_slowly(*arguments: Any) -> Any:
        monkeypatch.setattr(verb, "scan", scan)
        voxome.proofread(labels_uri, tmp_path / "edits.sqlite", author="ann")
        return scan(*arguments)

    monkeypatch.setattr(verb, "scan", scan_too_slowly)
    with pytest.raises(InvalidInput, match="are given when a store is made; this exists"):
        voxome.proofread(labels_uri, tmp_path / "edits.sqlite", author="bob", **option)


def test_the_mapping_at_the_start_is_kept(labels_uri: str, tmp_path: Path) -> None:
    start = ([1, 2, 3], [7, 7, 40])
    session = voxome.proofread(labels_uri, tmp_path / "edits.sqlite", author="ann", mapping=start)
    assert session.supervoxels(7).tolist() == [1, 2, 7]
    assert session.cleave(7, [1]).segments == [7, 41]
    expected = renumbered({1: 41, 2: 7, 3: 40})
    assert np.array_equal(session.volume[...], expected)
    assert np.array_equal(voxome.open(session.uri)[...], expected)
    with pytest.raises(InvalidInput, match="mapping: the mapping at the start and edges are given when"):
        voxome.proofread(labels_uri, tmp_path / "edits.sqlite", author="ann", mapping=start)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (([1, 1], [2, 3]), "a supervoxel twice"),
        (([1, 99], [2, 3]), "that the volume lacks, such as 99"),
        (([1], [0]), "segment 0"),
        (([1], [2, 3]), "two arrays of one length"),
        (([-1], [2]), "expected ids"),
    ],
)
def test_a_wrong_mapping_is_refused_and_nothing_made(labels_uri: str, tmp_path: Path, start, message) -> None:
    with pytest.raises((InvalidInput, NotFound), match=message):
        voxome.proofread(labels_uri, tmp_path / "edits.sqlite", author="ann", mapping=start)
    assert not (tmp_path / "edits.sqlite").exists()


def test_anything_but_a_volume_of_labels_is_refused(tmp_path: Path) -> None:
    cases = {
        "dtype float32; expected integer labels": np.zeros((2, 2, 2), np.float32),
        "negative label -3": np.full((2, 2, 2), -3, np.int64),
        "axes y/x": np.zeros((2, 2), np.int64),
    }
    for message, array in cases.items():
        with pytest.raises(InvalidInput, match=message):
            voxome.proofread(array, tmp_path / "edits.sqlite", author="ann")
        assert not (tmp_path / "edits.sqlite").exists()


def test_a_store_belongs_to_one_volume(open_session: Open, tmp_path: Path) -> None:
    open_session()
    with pytest.raises(InvalidInput, match=r"belongs to zarr://.*labels\.zarr"):
        voxome.proofread(LABELS, tmp_path / "edits.sqlite", author="ann")
    voxome.proofread(LABELS, tmp_path / "array.sqlite", author="ann")
    voxome.proofread(LABELS.astype(np.int16), tmp_path / "array.sqlite", author="ann")
    with pytest.raises(InvalidInput, match="an array with other voxels"):
        voxome.proofread(LABELS[::-1], tmp_path / "array.sqlite", author="ann")
    with pytest.raises(InvalidInput, match="no store; give"):
        voxome.proofread(LABELS, author="ann")
    with pytest.raises(UnsupportedFormat, match="a database of mysql"):
        voxome.proofread(LABELS, "mysql://localhost/one", author="ann")


def test_an_array_is_proofread_in_its_process(tmp_path: Path) -> None:
    session = voxome.proofread(LABELS, tmp_path / "edits.sqlite", author="ann")
    session.merge([1, 2])
    assert session.volume[0, 2, 0] == 1
    with pytest.raises(voxome.VoxomeError, match="belongs to an array that was never stored"):
        voxome.open(session.uri)
    assert voxome.proofread(LABELS, tmp_path / "edits.sqlite", author="bob").segment_of([2]).tolist() == [1]


def test_a_volume_in_memory_is_opened_in_its_process(tmp_path: Path) -> None:
    volume = voxome.put(LABELS, f"memory://{tmp_path.name}")
    session = volume.proofread(tmp_path / "edits.sqlite", author="ann")
    session.merge([1, 2])
    assert voxome.open(session.uri)[0, 2, 0] == 1
    voxome.rm(volume.uri)


def test_labels_that_are_not_finished_are_refused(tmp_path: Path) -> None:
    unfinished = {"voxome_run": {"step": "segment", "complete": False}}
    spec = voxome.VolumeSpec.of(LABELS.shape, "uint64", kind="labels", attributes=unfinished)
    voxome.create(f"zarr://{tmp_path}/labels.zarr", spec)[...] = LABELS
    with pytest.raises(InvalidInput, match="is not finished: the run that computes it"):
        voxome.proofread(tmp_path / "labels.zarr", tmp_path / "edits.sqlite", author="ann")
    assert not (tmp_path / "edits.sqlite").exists()


@pytest.mark.parametrize(
    "file", ["/proc/edits.sqlite", "{folder}/new/edits.sqlite", "/proc/new/edits.sqlite", "{folder}/file/edits.sqlite"]
)
def test_where_no_store_can_be_made_no_voxel_is_read(
    labels_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("voxome.services.proofreading.verb.scan", lambda *_: pytest.fail("voxels were read"))
    with pytest.raises(StoreError, match=r"cannot write .*edits\.sqlite: "):
        voxome.proofread(labels_uri, file.format(folder=tmp_path), author="ann")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["labels.zarr"]


def test_files_and_folders_that_are_not_stores_are_named(labels_uri: str, tmp_path: Path) -> None:
    for call in (lambda: voxome.proofread(labels_uri, tmp_path), lambda: voxome.open(f"proofread://{tmp_path}")):
        with pytest.raises(StoreError, match="is a folder, so it is not a proofreading store"):
            call()
    (tmp_path / "notes.txt").write_text("not a database " * 99)
    with pytest.raises(StoreError, match=r"cannot read the proofreading store .*notes\.txt: file is not a database"):
        voxome.proofread(labels_uri, tmp_path / "notes.txt")
