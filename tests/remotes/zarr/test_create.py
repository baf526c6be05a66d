"""Arrays and groups that are created, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from remotes.zarr.stores import at

from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    AlreadyExists,
    InvalidInput,
    ReadOnly,
    UnsupportedFormat,
)
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing.strategies import noise


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"encoding": {"compression": "zstd"}}, InvalidInput, "compression"),
        ({"encoding": {"codec": "lz4"}}, UnsupportedFormat, "lz4"),
        ({"encoding": {"codec": {"name": "zstd", "speed": 1}}}, InvalidInput, "speed"),
        ({"encoding": {"format": "n5"}}, UnsupportedFormat, "n5"),
        ({"encoding": {"format": "zarr2"}, "write_chunk": (8, 8, 8)}, UnsupportedFormat, "shards"),
        ({"write_chunk": (6, 8, 8)}, UnsupportedFormat, "shards"),
        ({"axes": ("x", "y", "z")}, InvalidInput, "order"),
        ({"axes": ("angle", "y", "x"), "encoding": {"ome": True}}, UnsupportedFormat, "angle"),
        ({"dtype": np.dtype("S4")}, UnsupportedFormat, "S4"),
        ({"fill": 256}, InvalidInput, "fill 256"),
        ({"fill": 0.5}, InvalidInput, "fill 0.5"),
        ({"attributes": {"a": np.zeros(3)}}, InvalidInput, "JSON"),
    ],
)
def test_specs_that_zarr_cannot_store_are_refused(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of((9, 9, 9), "uint8", chunk=(4, 4, 4)).replace(**change))
    assert not list(tmp_path.iterdir())


def test_create_keeps_files_that_are_not_zarr(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("mine")
    (tmp_path / "b").write_text("mine")
    for name in "ab":
        with pytest.raises(AlreadyExists):
            ZarrRemote().create(at(tmp_path / name), VolumeSpec.of((4, 4), "uint8"))
    (tmp_path / "empty").mkdir()
    ZarrRemote().create(at(tmp_path / "empty"), VolumeSpec.of((4, 4), "uint8"))
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "empty"}


def test_shards_contain_their_chunks(tmp_path: Path) -> None:
    spec = VolumeSpec.of((32, 32, 32), "uint8", chunk=(8, 8, 8), voxel_size_nm=(1, 1, 1)).replace(write_chunk=(16,) * 3)
    source = ZarrRemote().create(at(tmp_path / "a"), spec)
    assert (source.spec.read_chunk, source.spec.write_chunk) == ((8,) * 3, (16,) * 3)
    source.write(spec.domain, noise(spec.domain.shape, "uint8"))
    assert sum(path.is_file() for path in (tmp_path / "a" / "0" / "c").rglob("*")) == 8
    level = source.create_level((2, 2, 2))  # type: ignore[attr-defined]
    assert (level.spec.read_chunk, level.spec.write_chunk) == ((8,) * 3, (16,) * 3)


def test_folders_inside_a_zarr_become_groups(tmp_path: Path) -> None:
    path = tmp_path / "out.zarr" / "em" / "raw"
    ZarrRemote().create(at(path), VolumeSpec.of((4, 4, 4), "uint8"))
    again = zarr.open_group(tmp_path / "out.zarr", mode="r")["em/raw/0"]
    assert isinstance(again, zarr.Array)
    assert not (tmp_path / "zarr.json").exists()
    ZarrRemote().create(at(path.with_name("seg")), VolumeSpec.of((4, 4, 4), "uint8"))
    with pytest.raises(UnsupportedFormat, match="em/raw, em/seg"):
        ZarrRemote().open(at(tmp_path / "out.zarr"))


def test_a_recreated_array_is_the_new_one(tmp_path: Path) -> None:
    for shape, dtype in [((4, 4, 4), "uint8"), ((5, 6), "float32")]:
        created = ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of(shape, dtype))
        assert not created.read(created.spec.domain).any()
        created.write(created.spec.domain, np.ones(shape, dtype))
        again = ZarrRemote().open(at(tmp_path / "a"))
        assert again.spec == created.spec
        assert (again.read(created.spec.domain) == 1).all()
        ZarrRemote().delete(at(tmp_path / "a"))


def test_http_is_read_only() -> None:
    with pytest.raises(ReadOnly):
        ZarrRemote().create(at("http://127.0.0.1:9/a"), VolumeSpec.of((4, 4), "uint8"))
    with pytest.raises(ReadOnly):
        ZarrRemote().open(at("http://127.0.0.1:9/a"), mode="r+")
    with pytest.raises(ReadOnly):
        ZarrRemote().delete(at("http://127.0.0.1:9/a"))
