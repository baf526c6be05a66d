"""Chunks of a scale whose names the metadata do not give are warned of."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.config import settings
from voxome.errors import CorruptData

SHAPE, START = (10, 12, 14), (3, -5, 7)
WARNING = "chunks that its metadata cannot reach"


@pytest.fixture(autouse=True)
def _not_in_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests perform jobs in this process as workers do."""
    monkeypatch.setattr(settings, "_adopted", [])


def write(path: Path, **options: Any) -> Path:
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", start=START, chunk=(4, 4, 4), voxel_size_nm=(8, 8, 8), **options)
    voxome.create(f"precomputed://{path}", spec)[...] = 7
    return path


def change(path: Path, **changes: Any) -> None:
    info = json.loads((path / "info").read_text())
    scale = {**info["scales"][0], **changes}
    info["scales"] = [{name: value for name, value in scale.items() if value is not None}]
    (path / "info").write_text(json.dumps(info))


def test_chunks_that_are_found_are_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a")
    chunk = next(file for file in path.rglob("*_*_*") if file.is_file() and "-" in file.name)
    chunk.with_name(f"{chunk.name}.gz").write_bytes(gzip.compress(chunk.read_bytes()))
    chunk.unlink()
    (chunk.parent / "notes.txt").write_text("-")
    assert (voxome.open(path, expect=voxome.Volume)[...] == 7).all()
    change(path, chunk_sizes=[[4, 4, 4], [8, 8, 8]])
    voxome.open(path)
    assert WARNING not in caplog.text


def test_a_folder_in_the_place_of_a_chunk_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    chunk = max(file for file in path.rglob("*_*_*") if file.is_file() and "-" in file.name)
    chunk.unlink()
    chunk.mkdir()
    with pytest.raises(CorruptData, match=f"{chunk} is a folder in the place of a chunk.*info"):
        voxome.open(path)


@pytest.mark.parametrize(
    "changes",
    [{"chunk_sizes": [[8, 8, 8]]}, {"chunk_sizes": [[4, 4, 5]]}, {"voxel_offset": [0, 0, 0]}, {"size": [14, 12, 9]}],
)
def test_chunks_of_another_grid_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    path = write(tmp_path / "a")
    change(path, **changes)
    for _ in range(2):
        volume = voxome.open(path, expect=voxome.Volume)
    assert caplog.text.count(WARNING) == 1
    assert str(path) in caplog.text
    assert not np.all(volume[...] == 7)


def test_shards_of_a_scale_without_sharding_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a", write_chunk=(8, 8, 8))
    voxome.open(path)
    assert WARNING not in caplog.text
    change(path, sharding=None)
    voxome.open(path)
    assert f"{WARNING}, such as" in caplog.text


def test_workers_do_not_look(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a")
    change(path, chunk_sizes=[[8, 8, 8]])
    settings.adopt(settings.exported())
    voxome.open(path)
    assert WARNING not in caplog.text
