from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from relay.writes.journals import LAB, journal_of, journaled

import voxome
from voxome.errors import StoreError
from voxome.geometry import Box
from voxome.relay import origin
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.resources.open import open_source

BOX = Box((0, 0, 0), (8, 8, 8))
FIVES = np.full(BOX.shape, 5, "uint8")


def volume(folder: Path) -> str:
    uri = f"zarr://{folder}/v.zarr"
    voxome.create(uri, voxome.VolumeSpec.of(BOX.shape, "uint8"))
    return uri


def test_a_replayed_write_is_on_the_disk_before_the_journal_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = volume(tmp_path)
    stored: list[tuple[Path, bool]] = []
    monkeypatch.setattr(
        origin, "sync_files", lambda path: stored.append((path, bool((open_source(uri).read(BOX) == 5).all())))
    )
    with journaled(tmp_path, uri, flush=False) as sources:
        sources.write("em", BOX, FIVES)
        assert not stored
        index = journal_of(sources).index
        (source,) = index.sources()
        queue = index.queue(source, 0, index.last(), 9)
        sources.replay().write([one.entry for one in queue])
    assert stored == [(tmp_path / "v.zarr", True)]


def test_a_write_that_did_not_reach_the_disk_is_not_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise StoreError(f"cannot write {path}: input/output error")

    sources = Sources()
    sources.add("em", volume(tmp_path), LAB)
    sources.write("em", BOX, FIVES)
    monkeypatch.setattr(origin, "sync_files", fail)
    with pytest.raises(SourceUnavailable):
        sources.write("em", BOX, FIVES)


def test_a_volume_in_memory_has_no_disk() -> None:
    voxome.create("memory://not-on-a-disk", voxome.VolumeSpec.of(BOX.shape, "uint8"))
    sources = Sources()
    sources.add("em", "memory://not-on-a-disk", LAB)
    sources.write("em", BOX, FIVES)
    assert_array_equal(sources.read("em", BOX), FIVES)
