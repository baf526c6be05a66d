"""``voxome put``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

import voxome
from voxome.services import blockwise_copy
from voxome.testing.strategies import noise

ARRAY = noise((9, 20, 30), "uint16")


@pytest.fixture
def filed(command: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An array as files; few bytes are in memory at a time."""
    monkeypatch.setattr(blockwise_copy, "BLOCK_BYTES", 700)
    np.save("in.npy", ARRAY)
    tifffile.imwrite("in.tif", ARRAY, photometric="minisblack")
    return command


@pytest.mark.slow
@pytest.mark.parametrize("file", ["in.npy", "in.tif"])
@pytest.mark.parametrize("uri", ["zarr://out.zarr", "n5://out.n5", "precomputed://out", "hdf5://out.h5/volumes/raw"])
def test_a_new_volume(filed: Any, file: str, uri: str) -> None:
    asked = ["--voxel-size", "40,4,4.5"] if "precomputed" in uri else []
    said = filed("put", file, uri, *asked)
    assert (said.status, said.out) == (0, "")
    assert_array_equal(voxome.open(uri), ARRAY)
    assert filed("put", file, uri, *asked).status == 1


def test_what_the_file_says_may_be_changed(filed: Any) -> None:
    asked = ["--voxel-size", "40,4,4.5", "--dtype", "uint32", "--kind", "labels", "--chunk", "4,8,8", "--json"]
    said = filed("put", "in.npy", "zarr://out.zarr", *asked)
    assert said.json == {"uri": "zarr://out.zarr", "shape": [9, 20, 30], "dtype": "uint32"}
    made = voxome.open("out.zarr")
    assert (made.voxel_size_nm, made.dtype, made.spec.kind, made.chunks) == (
        (40, 4, 4.5), np.uint32, "labels", (4, 8, 8)
    )  # fmt: skip
    assert_array_equal(made, ARRAY)


def test_values_that_would_change_are_refused(filed: Any) -> None:
    said = filed("put", "in.npy", "zarr://out.zarr", "--dtype", "uint8")
    assert said.status == 1
    assert "do not fit uint8 without a change" in said.err
    assert "zarr://out.zarr was removed" in said.err
    assert filed("put", "in.npy", "zarr://out.zarr").status == 0


@pytest.mark.parametrize("options", [[], ["--at", "0,0,0"]])
def test_an_interruption_is_told(filed: Any, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    if options:
        voxome.create("zarr://out.zarr", voxome.VolumeSpec.of(ARRAY.shape, "uint16"))
    monkeypatch.setattr("voxome.cli.put.block_progress", lambda *_: nullcontext(stop))
    said = filed("put", "in.npy", "zarr://out.zarr", *options)
    left = "is partly written; rerun the same command to complete it" if options else "was removed"
    assert (said.status, said.err) == (130, f"Interrupted; zarr://out.zarr {left}\n")


def test_the_dtype_that_is_stored_is_told(filed: Any) -> None:
    assert filed("put", "in.npy", "zarr://out.zarr", "--dtype", ">u2", "--json").json["dtype"] == "uint16"


def test_into_a_place_of_a_volume(filed: Any) -> None:
    spec = voxome.VolumeSpec.of((20, 40, 50), "uint16", chunk=(8, 8, 8), start=(5, -10, 0))
    voxome.create("zarr://whole.zarr", spec)[...] = 7
    assert filed("put", "in.npy", "zarr://whole.zarr", "--at", "7,-3,19").status == 0
    expected = np.full((20, 40, 50), 7, np.uint16)
    expected[2:11, 7:27, 19:49] = ARRAY
    assert_array_equal(voxome.open("whole.zarr"), expected)
    for corner, text in (("7,-3,21", "not inside"), ("0,0", "The corner 0,0 has length 2")):
        said = filed("put", "in.npy", "zarr://whole.zarr", "--at", corner)
        assert said.status == 1
        assert text in said.err
    assert filed("put", "in.npy", "zarr://none.zarr", "--at", "0,0,0").status == 1
    assert_array_equal(voxome.open("whole.zarr"), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--voxel-size", "4"],
        ["--voxel-size", "a,b,c"],
        ["--voxel-size", "nan,1,1"],
        ["--chunk", "4,4.5,4"],
        ["--chunk", "0,4,4"],
        ["--kind", "picture"],
        ["--dtype", "uint9"],
    ],
)
def test_wrong_usage(filed: Any, wrong: list[str], tmp_path: Path) -> None:
    said = filed("put", "in.npy", "zarr://out.zarr", *wrong)
    assert said.status in (1, 2)
    assert "internal error" not in said.err
    assert not (tmp_path / "out.zarr").exists()


def test_a_place_and_a_new_dtype_exclude_each_other(filed: Any) -> None:
    said = filed("put", "in.npy", "zarr://out.zarr", "--at", "0,0,0", "--dtype", "uint8")
    assert said.status == 2
    assert "--at writes into an existing volume" in said.err


def test_a_file_needs_a_format_to_become(filed: Any) -> None:
    said = filed("put", "in.npy", "out")
    assert said.status == 1
    assert "zarr://out" in said.err
