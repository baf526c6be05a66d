"""``voxome transfer``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.cli.main import main


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run ``voxome transfer`` in a fresh folder that has a volume; returns status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    spec = voxome.VolumeSpec.of((40, 32, 24), "uint16", start=(-4, 0, 0), voxel_size_nm=(10, 8, 8))
    voxome.create("zarr://raw.zarr", spec)[...] = np.random.default_rng(2).integers(0, 255, (40, 32, 24))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["transfer", *arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.slow
def test_a_copy(command: Any) -> None:
    status, out, err = command("raw.zarr", "precomputed://copy", "--levels", "2")
    assert (status, out) == (0, "")
    assert "[1/2] copy: 1 block in" in err
    assert "[2/2] level 1: 1 block in" in err
    assert "copy is complete: 69.1 kB in" in err
    assert np.array_equal(voxome.open("copy")[...], voxome.open("raw.zarr")[...])
    _, _, err = command("raw.zarr", "precomputed://copy", "--levels", "2")
    assert "0 blocks copied, 0 verified, 2 copied earlier" in err


@pytest.mark.slow
def test_all_options(command: Any, tmp_path: Path) -> None:
    options = ["--box=-4:30,0:32,8:24", "--dtype", "uint8", "--workers", "2", "--verify", "all", "--seed", "3"]
    options += ["--chunk", "16,16,16", "--shard", "32,32,32", "--codec", "blosc", "--state", "kept", "--json"]
    status, out, _ = command("raw.zarr", "zarr://copy.zarr", *options)
    report = json.loads(out)
    made = voxome.open("copy.zarr")
    assert status == 0
    assert report["bytes"] == made.nbytes == 34 * 32 * 16
    assert report["verified"] == report["run"] == report["blocks"]
    assert {"source", "destination", "reused", "wall_s", "bytes_per_s"} < set(report)
    assert made.spec.write_chunk == (32, 32, 32) or made.spec.write_chunk == (32, 32, 16)
    assert made.domain == voxome.Box((-4, 0, 8), (30, 32, 24))
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.slow
def test_properties_that_a_format_cannot_store_are_dropped(command: Any) -> None:
    dropped = [part for name in ("start", "voxel_size", "offset") for part in ("--drop", name)]
    assert command("raw.zarr", "npy://raw.npy")[0] == 1
    assert command("raw.zarr", "npy://raw.npy", *dropped)[0] == 0
    assert command("raw.zarr", "hdf5://raw.h5/v", "--codec", "gzip", "--drop", "start")[0] == 0
    assert np.array_equal(np.load("raw.npy"), voxome.open("raw.h5/v")[...])


def test_options_of_the_format(command: Any, tmp_path: Path) -> None:
    status, _, err = command("raw.zarr", "zarr://two.zarr", "--encoding", "format=zarr2", "--encoding", "ome=false")
    assert status == 0
    assert "; 1 block copied, " in err
    assert (tmp_path / "two.zarr" / ".zarray").exists()
    assert np.array_equal(voxome.open("two.zarr")[...], voxome.open("raw.zarr")[...])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["none.zarr", "zarr://b.zarr"], 1, "none.zarr does not exist"),
        (["raw.zarr", "b.zarr"], 1, "without a format; write zarr://b.zarr"),
        (["raw.zarr", "b.n5"], 1, "without a format; write n5://b.n5"),
        (["raw.zarr?level=0", "zarr://raw.zarr"], 1, "cannot be copied to itself"),
        (["raw.zarr", "zarr://raw.zarr"], 1, "cannot be copied to itself"),
        (["raw.zarr", "zarr://b.zarr", "--box", "0:9"], 1, "has 1 range, needs 3"),
        (["raw.zarr", "zarr://b.zarr", "--level", "3"], 1, "has no level 3"),
        (["raw.zarr", "zarr://b.zarr", "--dtype", "int3"], 1, "int3"),
        (["raw.zarr", "zarr://b.zarr", "--chunk", "8,8"], 2, "'--chunk': '8,8'"),
        (["raw.zarr", "zarr://b.zarr", "--verify", "some"], 2, "expected one of none, sampled, all"),
        (["raw.zarr", "zarr://b.zarr", "--drop", "size"], 2, "expected one of start, voxel_size, offset, attributes"),
        (["raw.zarr", "zarr://b.zarr", "--levels", "0"], 2, "levels"),
        (["raw.zarr", "zarr://b.zarr", "--chunk", "0,8,8"], 2, "'--chunk': '0,8,8'"),
        (["raw.zarr", "zarr://b.zarr", "--encoding", "format"], 2, "NAME=VALUE"),
        (["raw.zarr", "zarr://b.zarr", "--encoding", "fromat=zarr2"], 1, "fromat"),
    ],
)
def test_errors(command: Any, arguments: list[str], status: int, text: str) -> None:
    got, _, err = command(*arguments)
    assert got == status
    assert text in err
    assert "internal error" not in err
