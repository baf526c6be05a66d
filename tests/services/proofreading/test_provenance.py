"""Provenance of segments and of what is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.contracts.provenance import Provenance
from voxome.errors import ReadOnly
from voxome.resources.provenance import read_provenance
from voxome.services.proofreading.session import Session

LABELS = np.repeat(np.arange(1, 33, dtype=np.uint64), 16).reshape(8, 8, 8)
STORES = ["zarr://out.zarr", "precomputed://out", "hdf5://out.h5/labels", "n5://out.n5"]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session of two authors, on a volume that says where it is from."""
    monkeypatch.chdir(tmp_path)
    voxome.put(LABELS, "zarr://labels.zarr", kind="labels")
    ann = voxome.proofread("labels.zarr", "edits.sqlite", author="ann")
    assert isinstance(ann, Session)
    ann.merge([1, 2])
    ann.merge([3, 4])
    voxome.proofread("proofread://edits.sqlite", author="bob").undo(2)  # type: ignore[union-attr]
    return ann


def entries(uri: str) -> list[Provenance]:
    return list(read_provenance(voxome.open(uri, expect=voxome.Volume).source))


def test_segments_say_which_edits_of_what_made_them(session: Session, tmp_path: Path) -> None:
    put, proofread = entries("proofread://edits.sqlite")
    assert (put.service, proofread.service, proofread.time) == (
        "put",
        "proofread",
        session.history()[-1].time[:19] + "+00:00",
    )
    assert proofread.parameters == {
        "branch": "main",
        "version": 3,
        "operations": {"merge": 2, "undo": 1},
        "authors": ["ann", "bob"],
    }
    assert [(one.name, one.uri) for one in proofread.inputs] == [("labels", f"zarr://{tmp_path}/labels.zarr")]
    before = entries("proofread://edits.sqlite?version=1")[-1]
    assert (before.parameters["version"], before.parameters["authors"]) == (1, ["ann"])
    start = entries("proofread://edits.sqlite?version=0")[-1]
    assert (start.parameters["operations"], start.time[:4] >= "2024") == ({}, True)
    with pytest.raises(ReadOnly, match="is their history"):
        session.volume.source.add_provenance(proofread)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("uri", STORES)
def test_what_is_exported_keeps_it(session: Session, uri: str) -> None:
    session.export(uri, version=2)
    assert [(one.service, one.parameters.get("version")) for one in entries(uri)] == [
        ("put", None),
        ("proofread", 2),
        ("transfer", None),
    ]
    assert entries(uri)[2].inputs[0].uri.endswith("edits.sqlite?branch=main&version=2")
    session.export(uri, since=2)
    last = entries(uri)[-1]
    assert (last.service, last.parameters["version"], last.parameters["since"]) == ("proofread", 3, 2)


@pytest.mark.slow
def test_an_export_that_is_repeated_copies_what_has_changed_since(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.export("zarr://out.zarr")
    assert session.export("zarr://out.zarr") == 0
    assert "cannot tell whether its voxels have changed" not in caplog.text
