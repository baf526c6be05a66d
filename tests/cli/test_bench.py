"""``voxome bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import voxome
from voxome.geometry import Box
from voxome.resources.open import open_source
from voxome.services.bench import read_sweep

pytestmark = pytest.mark.slow

ARGUMENTS = ["bench", "read", "a.zarr", "--sizes", "8,16", "--repeats", "2", "--concurrency", "3"]


@pytest.fixture
def volume(command: Any) -> Any:
    spec = voxome.VolumeSpec.of((20, 48, 48), "uint16", chunk=(8, 8, 8), start=(1, 2, 3))
    voxome.create("zarr://a.zarr", spec)[...] = 1
    return command


def test_the_sweep_is_printed_and_plotted(volume: Any, tmp_path: Path) -> None:
    report = volume(*ARGUMENTS, "--out", "out", "--json").json
    assert report == json.loads((tmp_path / "out" / "read.json").read_text())
    seen = [(one["edge"], one["aligned"], one["concurrency"], one["bytes"]) for one in report["readings"]]
    assert seen == [(e, a, n, e**3 * 2) for e in (8, 16) for a in (True, False) for n in (1, 3)]
    assert all(one["median_s"] > 0 and one["bytes_per_s"] > 0 for one in report["readings"])
    with Image.open(tmp_path / "out" / "read.png") as figure:
        pixels = np.asarray(figure.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    table = volume(*ARGUMENTS)
    assert table.status == 0
    assert "unaligned" in table.out


class RecordingSource:
    """A source that records the boxes it reads."""

    def __init__(self, uri: str) -> None:
        self._source = open_source(uri)
        self.spec = self._source.spec
        self.boxes: list[Box] = []

    def read(self, box: Box) -> Any:
        self.boxes.append(box)
        return self._source.read(box)


def _chunks(box: Box) -> int:
    """Count the chunks of 8 voxels from (1, 2, 3) on that a box touches."""
    ends = zip(box.start, box.stop, (1, 2, 3), strict=True)
    return int(np.prod([(b - o - 1) // 8 - (a - o) // 8 + 1 for a, b, o in ends]))


def test_requests_start_at_chunk_borders_or_straddle_them(volume: Any) -> None:
    for edge, aligned, straddling in ((8, 1, 8), (4, 1, 8), (16, 8, 27)):
        recording: Any = RecordingSource("a.zarr")
        read_sweep(recording, [edge], concurrency=1, repeats=5)
        assert {_chunks(box) for box in recording.boxes[1:6]} == {aligned}
        assert {_chunks(box) for box in recording.boxes[6:]} == {straddling}


def test_other_axes_are_read_at_their_first_index(volume: Any) -> None:
    spec = voxome.VolumeSpec.of((3, 2, 9, 9, 9), "uint8", axes=tuple("tczyx"), chunk=(1, 1, 4, 4, 4))
    voxome.create("zarr://five.zarr", spec)
    recording: Any = RecordingSource("five.zarr")
    assert {one.bytes for one in read_sweep(recording, [4, 9])} == {64, 729}
    assert {box.shape[:2] for box in recording.boxes} == {(1, 1)}


def test_invalid_arguments_are_refused(volume: Any) -> None:
    voxome.create("zarr://plane.zarr", voxome.VolumeSpec.of((9, 9), "uint8"))
    assert volume("bench", "read", "plane.zarr").status == 1
    assert volume("bench", "read", "none.zarr").status == 1
    assert volume("bench", "read", "a.zarr", "--sizes", "0").status == 2
    large = volume("bench", "read", "a.zarr", "--sizes", "16,64")
    assert (large.status, "do not fit" in large.err, "up to 48" in large.err) == (1, True, True)
    assert volume("bench", "read", "a.zarr", "--sizes", "x").status == 2
