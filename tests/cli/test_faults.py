"""A stranger's mistakes on the command line: one message, the nearest name, an exit status, no traceback."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from cli.threshold_workflow import WORKFLOW

import voxome
from voxome.cli.main import main
from voxome.registry import load
from voxome.workflow.describe import document

THRESHOLD = ["tool", "common.threshold", "--image", "raw.zarr", "--out", "store"]
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Run a command in a folder with a volume and a workflow; its exit status and what it result on standard error."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(2).integers(0, 255, (20, 16, 12))
    spec = voxome.VolumeSpec.of(noise.shape, "uint8", voxel_size_nm=(10, 8, 8), chunk=(8, 8, 8))
    voxome.create("zarr://raw.zarr", spec)[...] = noise
    Path("tool.cwl").write_text(document(load("voxome.tools", "common.threshold").spec))
    Path("mark.cwl").write_text(WORKFLOW)

    def run(*arguments: str) -> tuple[int, str]:
        began = time.monotonic()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        stderr = capsys.readouterr().err
        assert "Traceback" not in stderr
        assert time.monotonic() - began < 200
        return int(ended.value.code or 0), stderr

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rn"], "Did you mean 'run'?"),
        (["score", "segmentatio"], "Did you mean 'segmentation'?"),
        (["run", "mark.cwl", "--out", "o", "--worker", "2"], "--workers"),
        (["run", "mark.cwl", "--out", "o", "--workers", "0"], "expected a whole number, at least 1"),
        ([*THRESHOLD, "--treshold", "3"], "No such option: --treshold"),
        ([*THRESHOLD, "--worker", "3"], "--workers"),
        ([*THRESHOLD, "--into", "result"], "expected OUTPUT=URI"),
        ([*THRESHOLD, "--at", "high"], "'--at': 'high': expected a number"),
        (["tool", "em.fragments", "--membranes", "m", "--out", "o", "--threshold", "300"], "a whole number, 0 to 255"),
        (["tool", "em.agglomerate", "--method", "men"], "expected one of mean, waterz, mutex"),
        (["tool", "common.threshhold"], "did you mean 'common.threshold'?"),
        (["get", "raw.zarr", "a.npy", "--box", "0-8"], "write it as Z0:Z1,Y0:Y1,X0:X1"),
        (["put", "raw.zarr", "zarr://b", "--kind", "imag"], "expected one of image, labels, probability"),
        (["put", "raw.zarr", "zarr://b", "--voxel-size", "8,8,0"], "three lengths in nm greater than 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_gives_the_nearest_name(say: Say, arguments: list[str], message: str) -> None:
    status, stderr = say(*arguments)
    assert status == 2
    assert message in stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mork.cwl", "--out", "o"], "mork.cwl does not exist"),
        (["run", "mark.cwl", "--out", "o", "--set", "raw=zar://raw.zarr"], "did you mean 'zarr'?"),
        (["run", "mark.cwl", "--out", "raw.zarr/zarr.json", "--set", "raw=raw.zarr"], "choose a folder"),
        (["run", "mark.cwl", "--out", "o", "--set", "raw=raw.zarr", "--truth", "none"], "names no scorer"),
        (["run", "mark.cwl", "--out", "o", "--set", "raw=raw.zarr", "--box", "0:99,0:8,0:8"], "inside 0:20,0:16,0:12"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_unrunnable_input_is_refused_before_the_run_starts(say: Say, arguments: list[str], message: str) -> None:
    status, stderr = say(*arguments)
    assert status == 1
    problems = [line for line in stderr.splitlines() if not line.startswith(("Checking ", "Running "))]
    assert problems[0].startswith("voxome: ")
    assert message in stderr
    assert not Path("o").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(say: Say) -> None:
    Path("locked").mkdir(mode=0o555)
    status, stderr = say("run", "mark.cwl", "--out", "locked/o", "--set", "raw=raw.zarr")
    assert status == 1
    assert "Permission denied; choose a folder" in stderr


@pytest.mark.slow
def test_truncated_inputs_are_named(say: Say) -> None:
    array = np.random.default_rng(0).integers(0, 255, (20, 16, 12)).astype(np.uint8)
    np.save("cut.npy", array)
    with h5py.File("cut.h5", "w") as file:
        file.create_dataset("raw", data=array)
    tifffile.imwrite("cut.tif", array)
    for name in ("cut.npy", "cut.h5", "cut.tif"):
        os.truncate(name, Path(name).stat().st_size // 2)
        status, stderr = say("run", "mark.cwl", "--out", "o", "--set", f"raw={name}{'/raw' if 'h5' in name else ''}")
        assert status == 1
        assert name in stderr
        assert "truncated" in stderr
    assert not Path("o").exists()


@pytest.mark.slow
def test_an_internal_error_is_one_line(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("steps")

    monkeypatch.setattr("voxome.services.describe.info", broken)
    status, stderr = say("info", "raw.zarr")
    assert status == 1
    assert "please report it: KeyError('steps') at " in stderr
    assert stderr.count("\n") == 1


@pytest.mark.slow
class TestInto:
    """``voxome tool --into``: an output goes into an array that is there already."""

    @pytest.fixture
    def target(self, say: Say) -> Path:
        spec = voxome.VolumeSpec.of((20, 16, 12), "uint8", chunk=(8, 4, 6), voxel_size_nm=(10, 8, 8))
        voxome.create("zarr://target.zarr", spec)[...] = 7
        return Path("target.zarr")

    def arguments(self, *more: str, uri: str = "target.zarr") -> list[str]:
        return [*THRESHOLD, "--at", "99", "--into", f"result={uri}", *more]

    def test_it_is_written_and_written_again(self, say: Say, target: Path) -> None:
        expected = np.where(voxome.open("raw.zarr")[...] > 99, 255, 0)
        for _ in range(2):
            assert say(*self.arguments("--block", "8,8,12", "--workers", "2"))[0] == 0
            assert np.array_equal(voxome.open("target.zarr")[...], expected)
            voxome.open("target.zarr", mode="r+")[...] = 7
        assert json.loads(Path("result.handle.json").read_text())["uri"] == f"zarr://{target.absolute()}"

    def test_a_box_leaves_the_rest(self, say: Say, target: Path) -> None:
        assert say(*self.arguments("--block", "8,8,12", "--workers", "2", "--box", "3:13,2:9,1:12"))[0] == 0
        expected = np.full((20, 16, 12), 7)
        inside = np.s_[3:13, 2:9, 1:12]
        expected[inside] = np.where(voxome.open("raw.zarr")[inside] > 99, 255, 0)
        assert np.array_equal(voxome.open("target.zarr")[...], expected)

    def test_a_block_that_does_not_match_the_chunks_is_refused(self, say: Say, target: Path) -> None:
        status, stderr = say(*self.arguments("--block", "10,8,7"))
        assert status == 1
        assert "the block 10,8,7 does not match the chunks" in stderr
        assert "which are 8,4,6" in stderr
        assert "--block 8,8,6" in stderr
        assert not Path("store").exists()
        assert (voxome.open("target.zarr")[...] == 7).all()

    def test_every_other_mismatch_is_listed(self, say: Say, target: Path) -> None:
        voxome.create("zarr://wide.zarr", voxome.VolumeSpec.of((20, 16, 13), "uint16"))
        status, stderr = say(*self.arguments("--into", "mask=target.zarr", uri="wide.zarr"))
        assert status == 1
        assert "is uint16, but common.threshold writes uint8" in stderr
        assert "spans 0:20,0:16,0:13" in stderr
        assert "Unknown common.threshold output 'mask'" in stderr
        assert say(*self.arguments(uri="none.zarr"))[0] == 1
