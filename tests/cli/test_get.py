"""``voxome get``: what is written, read by the formats' own libraries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from numpy.testing import assert_array_equal

import voxome
from voxome.services import blockwise_copy
from voxome.testing.strategies import noise

SHAPE, START, SIZE = (9, 20, 30), (3, 10, -5), (40.0, 4.0, 5.0)
BOX = "4:9,12:20,0:11"
CUT = (slice(1, 6), slice(2, 10), slice(5, 16))
READERS: dict[str, Callable[[Path], Any]] = {
    "out.npy": np.load,
    "out.h5": lambda path: h5py.File(path)["volume"][...],
    "out.tif": tifffile.imread,
    "out.nii": lambda path: np.asarray(nibabel.load(path).dataobj).T,
}


@pytest.fixture(params=["uint8", "uint16", "uint64", "float32"])
def array(request: Any) -> Any:
    return noise(SHAPE, request.param)


@pytest.fixture
def stored(command: Any, array: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The array as a volume; few bytes are in memory at a time."""
    monkeypatch.setattr(blockwise_copy, "BLOCK_BYTES", 700)
    kind = "labels" if array.dtype == np.uint64 else "image"
    spec = voxome.VolumeSpec.of(SHAPE, array.dtype, chunk=(2, 8, 8), start=START, voxel_size_nm=SIZE, kind=kind)
    voxome.create("zarr://in.zarr", spec)[...] = array
    return command


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_files(stored: Any, array: Any, name: str, tmp_path: Path) -> None:
    result = stored("get", "in.zarr", name)
    assert (result.status, result.out) == (0, "")
    assert_array_equal(READERS[name](tmp_path / name), array)
    result = stored("get", "in.zarr", f"part/{name}", "--box", BOX, "--json")
    assert result.json["shape"] == [5, 8, 11]
    found = READERS[name](tmp_path / "part" / name)
    assert_array_equal(found, array[CUT])
    assert found.dtype == array.dtype


@pytest.mark.slow
def test_zarr_keeps_the_position(stored: Any, array: Any, tmp_path: Path) -> None:
    assert stored("get", "in.zarr", "part.zarr", "--box", BOX).status == 0
    made = voxome.open("part.zarr")
    assert (str(made.domain), made.voxel_size_nm, made.chunks) == (BOX, SIZE, (2, 8, 8))
    assert_array_equal(made, array[CUT])
    assert_array_equal(zarr.open_array(tmp_path / "part.zarr" / "0")[...], array[CUT])


@pytest.mark.slow
def test_a_dataset_of_a_file_may_be_named(stored: Any, array: Any) -> None:
    assert stored("get", "in.zarr", "two.h5/volumes/raw").status == 0
    assert stored("get", "in.zarr", "two.h5/volumes/part", "--box", BOX).status == 0
    part = voxome.open("two.h5/volumes/part")
    assert_array_equal(part, array[CUT])
    assert part.spec.offset_nm == (4 * 40, 12 * 4, 0)


def test_sections_of_png(stored: Any, array: Any, tmp_path: Path) -> None:
    result = stored("get", "in.zarr", "sections/", "--box", BOX)
    if array.dtype not in (np.uint8, np.uint16):
        assert result.status == 1
        assert "PNG stores uint8 and uint16" in result.err
        return
    files = sorted((tmp_path / "sections").glob("*.png"))
    assert_array_equal([imagecodecs.png_decode(file.read_bytes()) for file in files], array[CUT])
    assert stored("get", "in.zarr", "one.png", "--box", "5:6,12:20,0:11").status == 0
    assert_array_equal(imagecodecs.png_decode((tmp_path / "one.png").read_bytes()), array[CUT][1])


@pytest.mark.slow
def test_voxel_sizes_are_kept_where_tiff_can(stored: Any, array: Any) -> None:
    stored("get", "in.zarr", "out.tif")
    assert voxome.open("out.tif").voxel_size_nm == (None if array.dtype == np.uint64 else SIZE)


@pytest.mark.slow
def test_other_axes(command: Any, tmp_path: Path) -> None:
    array = noise((2, 3, 4, 5, 6), "uint16")
    spec = voxome.VolumeSpec.of(array.shape, "uint16", chunk=(1, 2, 2, 3, 4), axes=tuple("tczyx"))
    voxome.create("zarr://five.zarr", spec)[...] = array
    for name, read in READERS.items():
        if name != "out.nii":
            assert command("get", "five.zarr", name).status == 0
            assert_array_equal(read(tmp_path / name), array)
    assert command("get", "five.zarr", "part.npy", "--box", "1:2,1:3,2:5").status == 0
    assert_array_equal(np.load(tmp_path / "part.npy"), array[:, :, 1:2, 1:3, 2:5])


def test_a_level(command: Any, tmp_path: Path) -> None:
    made = voxome.create("zarr://in.zarr", voxome.VolumeSpec.of((4, 8, 8), "uint8", voxel_size_nm=(1, 1, 1)))
    made.source.create_level((1, 2, 2)).write(voxome.Box.of_shape((4, 4, 4)), np.full((4, 4, 4), 9, np.uint8))  # type: ignore[attr-defined]
    assert command("get", "in.zarr", "out.npy", "--level", "1").status == 0
    assert_array_equal(np.load(tmp_path / "out.npy"), np.full((4, 4, 4), 9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.zarr", "out.npy"], "none.zarr"),
        (["in.zarr", "out.xyz"], 'Unknown output format "out.xyz"'),
        (["in.zarr", "out"], 'Unknown output format "out"'),
        (["in.zarr", "out.png"], "a .png holds one section"),
        (["in.zarr", "out.npy", "--box", "0:9,0:9,0:99"], "not inside"),
        (["in.zarr", "out.npy", "--box", "0:0,0:9,0:9"], "is empty"),
        (["in.zarr", "there.tif"], "already exists"),
        (["in.zarr", "there.npy"], "exists"),
    ],
)
def test_invalid_outputs_are_refused(command: Any, arguments: list[str], message: str, tmp_path: Path) -> None:
    voxome.create("zarr://in.zarr", voxome.VolumeSpec.of((9, 9, 9), "uint8"))
    for name in ("there.tif", "there.npy"):
        (tmp_path / name).write_text("mine")
    result = command("get", *arguments)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("voxome: ")
    assert message in result.err
    assert ("use overwrite=True (--overwrite)" in result.err) == arguments[1].startswith("there")
    assert not list(tmp_path.glob("out*"))
    assert (tmp_path / "there.tif").read_text() == "mine"


@pytest.mark.slow
def test_a_read_that_fails_leaves_no_half_file(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voxome.create("zarr://in.zarr", voxome.VolumeSpec.of((9, 9, 9), "uint8", chunk=(3, 9, 9)))[...] = 1
    monkeypatch.setattr(blockwise_copy, "BLOCK_BYTES", 1)
    chunks = [path for path in (tmp_path / "in.zarr").rglob("*") if path.is_file() and path.suffix != ".json"]
    for chunk in sorted(chunks)[1:]:
        chunk.write_bytes(b"broken")
    for name in ("out.tif", "out.npy", "out.zarr", "out.nii", "out/"):
        assert command("get", "in.zarr", name).status == 1
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize("name", ["out.npy", "out.h5/raw", "out.tif", "out.zarr", "out.nii", "out/"])
def test_an_interruption_leaves_no_half_file(command: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    voxome.create("zarr://in.zarr", voxome.VolumeSpec.of((9, 9, 9), "uint8", chunk=(3, 9, 9)))[...] = 1
    monkeypatch.setattr(blockwise_copy, "BLOCK_BYTES", 1)
    monkeypatch.setattr("voxome.cli.get.block_progress", lambda *_: nullcontext(stop))
    result = command("get", "in.zarr", name)
    assert result.status == 130
    assert result.err.startswith("Interrupted")
    with pytest.raises(voxome.VoxomeError):
        voxome.open(name)


def test_a_uri_is_not_a_file(command: Any, tmp_path: Path) -> None:
    voxome.create("zarr://in.zarr", voxome.VolumeSpec.of((9, 9, 9), "uint8"))
    result = command("get", "in.zarr", "zarr://out.zarr")
    assert result.status == 1
    assert "voxome transfer SRC zarr://out.zarr" in result.err
    assert {path.name for path in tmp_path.iterdir()} == {"in.zarr", "config.toml"}
