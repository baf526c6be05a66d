"""Metadata that are broken, normalized, or reserved, and stores that do not respond."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from remotes.zarr.stores import at, edit

from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    CorruptData,
    InvalidInput,
    StoreError,
)
from voxome.geometry import Box
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.storage import tensorstore


def test_metadata_normalized_in_memory_do_not_prevent_writing(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(8, 8), chunks=(4, 4), dtype="u2", zarr_format=2, fill_value=7)
    edit(tmp_path / "a" / ".zarray", fill_value="7")
    before = (tmp_path / "a" / ".zarray").read_text()
    source = ZarrRemote().open(at(tmp_path / "a"), mode="r+")
    assert source.spec.fill == 7
    source.write(Box((0, 0), (2, 2)), np.ones((2, 2), np.uint16))
    assert array[:3, 0].tolist() == [1, 1, 7]
    assert (tmp_path / "a" / ".zarray").read_text() == before


@pytest.mark.parametrize(("text", "error"), [("{", CorruptData), ("[]", CorruptData), ("{}", CorruptData)])
def test_broken_metadata_are_corrupt(tmp_path: Path, text: str, error: type[Exception]) -> None:
    (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(error, match=r"zarr\.json"):
        ZarrRemote().open(at(tmp_path))


def test_attributes_of_the_array_itself_are_not_set(tmp_path: Path) -> None:
    source = ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of((4, 4), "uint8"))
    with pytest.raises(InvalidInput, match="ome"):
        source.update_attributes({"ome": {}})


def test_a_store_that_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXOME_RETRIES", "2")
    monkeypatch.setattr(tensorstore, "_SHARED", {})
    monkeypatch.setattr(tensorstore, "_DELAYS", {"initial_delay": "1ms"})
    with pytest.raises(StoreError, match="127"):
        ZarrRemote().open(at("http://127.0.0.1:9/a"))
