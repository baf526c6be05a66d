"""Chunks that would fill the memory are refused when an array is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import voxome
from voxome.errors import UnsupportedFormat


def with_chunk(path: Path, store: str, edit: Any) -> str:
    """Return the URI of a small array whose metadata `edit` has changed."""
    voxome.create(f"{store}://{path}/a", voxome.VolumeSpec.of((8, 8, 8), "uint8"))
    file = path / {"zarr": "a/0/zarr.json", "precomputed": "a/info"}[store]
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))
    return f"{store}://{path}/a"


HUGE = [8_000_000_000_000, 8, 8]


def zarr3(document: dict[str, Any]) -> None:
    document["chunk_grid"]["configuration"]["chunk_shape"] = HUGE
    document["codecs"] = [{"name": "bytes", "configuration": {"endian": "little"}}]


def zarr3_of_numcodecs(document: dict[str, Any]) -> None:
    zarr3(document)
    document["codecs"].append({"name": "numcodecs.bz2", "configuration": {"level": 1}})


def precomputed(document: dict[str, Any]) -> None:
    document["scales"][0]["chunk_sizes"] = [HUGE]


@pytest.mark.parametrize(
    ("store", "edit"), [("zarr", zarr3), ("zarr", zarr3_of_numcodecs), ("precomputed", precomputed)]
)
def test_a_chunk_that_is_too_large_is_refused(tmp_path: Path, store: str, edit: Any) -> None:
    uri = with_chunk(tmp_path, store, edit)
    with pytest.raises(UnsupportedFormat, match="largest that is read"):
        voxome.open(uri)


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/a", voxome.VolumeSpec.of((64, 64, 64), "uint8"))
    voxome.configure(largest_chunk_bytes=1000)
    try:
        with pytest.raises(UnsupportedFormat, match="VOXOME_LARGEST_CHUNK_BYTES"):
            voxome.open(f"zarr://{tmp_path}/a")
    finally:
        voxome.configure(largest_chunk_bytes=None)
    assert voxome.open(f"zarr://{tmp_path}/a").shape == (64, 64, 64)
