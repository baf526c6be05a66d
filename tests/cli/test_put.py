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
    arguments = ["--voxel-size", "40,4,4.5"] if "precomputed" in uri else []
    result = filed("put", file, uri, *arguments)
    assert (result.status, result.out) == (0, "")
    assert_array_equal(voxome.open(uri), ARRAY)
    assert filed("put", file, uri, *arguments).status == 1


def test_options_override_the_file(filed: Any) -> None:
    arguments = ["--voxel-size", "40,4,4.5", "--dtype", "uint32", "--kind", "labels", "--chunk", "4,8,8", "--json"]
    result = filed("put", "in.npy", "zarr://out.zarr", *arguments)
    written = result.json
    assert (written["shape"], written["dtype"], written["voxel_size_nm"]) == ([9, 20, 30], "uint32", [40, 4, 4.5])
    assert written["destination"] == f"zarr://{Path.cwd() / 'out.zarr'}"
    assert written["bytes"] == 9 * 20 * 30 * 4
    made = voxome.open("out.zarr")
    assert (made.voxel_size_nm, made.dtype, made.spec.kind, made.chunks) == (
        (40, 4, 4.5), np.uint32, "labels", (4, 8, 8)
    )  # fmt: skip
    assert_array_equal(made, ARRAY)


@pytest.mark.slow
def test_values_that_would_change_are_refused(filed: Any) -> None:
    result = filed("put", "in.npy", "zarr://out.zarr", "--dtype", "uint8")
    assert result.status == 1
    assert "do not fit uint8 without a change" in result.err
    assert "zarr://out.zarr was removed" in result.err
    assert filed("put", "in.npy", "zarr://out.zarr").status == 0


@pytest.mark.parametrize("options", [[], ["--at", "0,0,0"]])
def test_an_interruption_is_reported(filed: Any, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    if options:
        voxome.create("zarr://out.zarr", voxome.VolumeSpec.of(ARRAY.shape, "uint16"))
    monkeypatch.setattr("voxome.cli.put.block_progress", lambda *_: nullcontext(stop))
    result = filed("put", "in.npy", "zarr://out.zarr", *options)
    left = "is partly written; rerun the same command to complete it" if options else "was removed"
    uri = f"zarr://{Path.cwd() / 'out.zarr'}" if options else "zarr://out.zarr"
    assert (result.status, result.err) == (130, f"Interrupted; {uri} {left}\n")


@pytest.mark.slow
def test_the_stored_dtype_is_printed(filed: Any) -> None:
    assert filed("put", "in.npy", "zarr://out.zarr", "--dtype", ">u2", "--json").json["dtype"] == "uint16"


@pytest.mark.slow
def test_into_an_existing_volume(filed: Any) -> None:
    spec = voxome.VolumeSpec.of((20, 40, 50), "uint16", chunk=(8, 8, 8), start=(5, -10, 0))
    voxome.create("zarr://whole.zarr", spec)[...] = 7
    part = filed("put", "in.npy", "zarr://whole.zarr", "--at", "7,-3,19", "--json").json
    assert (part["start"], part["shape"]) == ([7, -3, 19], [9, 20, 30])
    expected = np.full((20, 40, 50), 7, np.uint16)
    expected[2:11, 7:27, 19:49] = ARRAY
    assert_array_equal(voxome.open("whole.zarr"), expected)
    for corner, text in (("7,-3,21", "not inside"), ("0,0", "The corner 0,0 has length 2")):
        result = filed("put", "in.npy", "zarr://whole.zarr", "--at", corner)
        assert result.status == 1
        assert text in result.err
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
    result = filed("put", "in.npy", "zarr://out.zarr", *wrong)
    assert result.status in (1, 2)
    assert "internal error" not in result.err
    assert not (tmp_path / "out.zarr").exists()


def test_at_and_dtype_exclude_each_other(filed: Any) -> None:
    result = filed("put", "in.npy", "zarr://out.zarr", "--at", "0,0,0", "--dtype", "uint8")
    assert result.status == 2
    assert "--at writes into an existing volume" in result.err


def test_a_destination_needs_a_format(filed: Any) -> None:
    result = filed("put", "in.npy", "out")
    assert result.status == 1
    assert "zarr://out" in result.err
