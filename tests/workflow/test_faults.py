"""Failing runs end with a clear message, nothing incomplete counts as done, and the same command resumes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import CorruptData, PlanError, RunFailed, StoreError
from voxome.registry import load
from voxome.workflow.clean import clean
from voxome.workflow.describe import document
from voxome.workflow.verbs import run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("jobs_in_this_process")]

TOOLS = """
import os, signal, time
from typing import Annotated, Any
import numpy as np
from numpy.typing import NDArray
from voxome import kinds
from voxome.contracts.python_tool import tool

Image = Annotated[NDArray[Any], kinds.Image()]

@tool("demo.shape", outputs=kinds.Image("uint8"))
def shape(image: Image) -> Any:
    return image[1:]

@tool("demo.dtype", outputs=kinds.Image("uint8"))
def dtype(image: Image) -> Any:
    return image.astype("float32")

@tool("demo.killed", outputs=kinds.Image("uint8"))
def killed(image: Image) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)

@tool("demo.slow", outputs=kinds.Image("uint8"))
def slow(image: Image) -> Any:
    time.sleep(0.5)
    return image
"""
NAMES = ("shape", "dtype", "killed", "slow")
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {raw: [File, string], at: double?, store: string}
outputs:
  mask: {type: File, outputSource: second/result}
  counts: {type: File, outputSource: count/result}
steps:
  first: {run: %s.cwl, in: {image: raw, store: store}, out: [result]}
  second: {run: common.threshold.cwl, in: {image: first/result, at: at, store: store}, out: [result]}
  count: {run: common.statistics.cwl, in: {image: second/result, store: store}, out: [result]}
"""
CUBES = (16, 16, 16)
Tuned = Callable[[str], Path]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 48)).astype(np.uint8)
    spec = voxome.VolumeSpec.of(noise.shape, "uint8", chunk=(16, 16, 16), voxel_size_nm=(8, 8, 8))
    voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)[...] = noise
    return tmp_path / "raw.zarr"


@pytest.fixture
def workflow(tmp_path: Path, install_plugins: Callable[[Path], None]) -> Tuned:
    """Return a function that writes a workflow whose first step runs the named tool."""
    package = tmp_path / "package"
    info = package / "demo_tools-1.dist-info"
    info.mkdir(parents=True)
    (package / "demo_tools.py").write_text(TOOLS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-tools\nVersion: 1\n")
    entries = "\n".join(f"demo.{name} = demo_tools:{name}" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[voxome.tools]\n{entries}\n")
    install_plugins(package)

    def make(first: str) -> Path:
        for name in (first, "common.threshold", "common.statistics"):
            (tmp_path / f"{name}.cwl").write_text(document(load("voxome.tools", name).spec))
        path = tmp_path / "mark.cwl"
        path.write_text(WORKFLOW % first)
        return path

    return make


def assert_right(out: Path, raw: Path, at: float = 0.5) -> None:
    first = np.where(voxome.open(str(raw))[...] > 0.5, 255, 0)
    assert np.array_equal(voxome.open(f"{out}/mask.zarr")[...], np.where(first > at, 255, 0))
    assert (out / "counts.parquet").exists()


def assert_nothing_is_marked_complete(out: Path) -> None:
    assert not (out / "run.json").exists()
    for path in out.glob("*.zarr"):
        assert not voxome.open(str(path)).spec.attributes["voxome_run"]["complete"]


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("demo.shape", r"output 'result' of demo.shape is uint8 of shape \(31, 32, 48\); expected uint8 of shape"),
        ("demo.dtype", r"output 'result' of demo.dtype is float32"),
        ("demo.killed", r"first at .*: its worker was killed by signal 9, \d times; if memory ran out, use a smaller"),
    ],
)
def test_a_tool_with_a_wrong_result_or_a_killed_worker_fails_the_run(
    workflow: Tuned, raw: Path, tmp_path: Path, tool: str, message: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(RunFailed, match=message):
        run(workflow(tool), {"raw": raw}, out=out, block=(32, 32, 48), engine="local")
    assert_nothing_is_marked_complete(out)


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_an_unreadable_chunk_fails_its_job_and_the_mended_volume_is_read_again(
    workflow: Tuned, raw: Path, tmp_path: Path, damage: str
) -> None:
    chunk = sorted(path for path in raw.rglob("*") if path.parent.parent.name == "1")[0]
    kept = chunk.read_bytes()
    chunk.unlink()
    chunk.write_bytes(b"no chunk" if damage == "garbage" else kept[: len(kept) // 2])
    out = tmp_path / "out"
    with pytest.raises(RunFailed, match=r"(?s)1 of 12 jobs of step first failed.*raw\.zarr.*Fix the cause and rerun"):
        run(workflow("common.threshold"), {"raw": raw}, out=out, block=CUBES)
    assert_nothing_is_marked_complete(out)
    chunk.unlink()
    chunk.write_bytes(kept)
    record = run(workflow("common.threshold"), {"raw": raw}, out=out, block=CUBES)
    assert record["steps"][0]["blocks"] == {"total": 12, "run": 12, "reused": 0}
    assert_right(out, raw)


def test_a_link_to_itself_in_an_input_is_reported_before_the_run(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    chunk = sorted(path for path in raw.rglob("*") if path.parent.parent.name == "1")[0]
    chunk.unlink()
    chunk.symlink_to(chunk)
    with pytest.raises(PlanError, match=r"raw\.zarr.*Too many levels of symbolic links"):
        run(workflow("common.threshold"), {"raw": raw}, out=tmp_path / "out", block=CUBES)


def test_missing_results_are_computed_again(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def again() -> int:
        record = run(workflow("common.threshold"), {"raw": raw}, out=out, block=CUBES)
        assert_right(out, raw)
        assert all(s["blocks"]["run"] + s["blocks"]["reused"] == s["blocks"]["total"] for s in record["steps"])
        return int(sum(step["blocks"]["run"] for step in record["steps"]))

    assert again() == 36
    assert again() == 0
    shutil.rmtree(out / "mask.zarr")
    assert again() == 12
    (out / "counts.parquet").unlink()
    assert again() == 12
    (out / "run.json").unlink()
    assert again() == 0
    (out / "run.json").write_text("{")
    assert again() == 0


def test_a_cleaned_run_is_complete_and_can_be_computed_again(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    out, path = tmp_path / "out", workflow("common.threshold")
    run(path, {"raw": raw}, out=out, block=CUBES)
    assert clean(out) > 0
    assert sum(s["blocks"]["run"] for s in run(path, {"raw": raw}, out=out, block=CUBES)["steps"]) == 0
    assert not (out / ".voxome" / "steps").exists()
    assert_right(out, raw)
    (out / "counts.parquet").unlink()
    assert sum(s["blocks"]["run"] for s in run(path, {"raw": raw}, out=out, block=CUBES)["steps"]) == 12
    assert_right(out, raw)


def test_the_previous_record_is_removed_when_a_run_starts(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    out, path = tmp_path / "out", workflow("common.threshold")
    run(path, {"raw": raw}, out=out, block=CUBES)
    shutil.rmtree(out / "mask.zarr")
    seen = []
    run(path, {"raw": raw}, out=out, block=CUBES, progress=lambda _: seen.append((out / "run.json").exists()))
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("text", ["{", "[]", '{"voxome": "plan", "format_version": 1, "steps": [{}]}', "\0"])
def test_a_damaged_plan_is_refused(workflow: Tuned, raw: Path, tmp_path: Path, text: str) -> None:
    out, path = tmp_path / "out", workflow("common.threshold")
    run(path, {"raw": raw}, out=out, block=CUBES)
    (out / ".voxome" / "plan.json").write_text(text)
    with pytest.raises(CorruptData, match=r"plan\.json is damaged.*Choose another folder, or remove"):
        run(path, {"raw": raw}, out=out, block=CUBES)


def test_a_damaged_ledger_is_refused(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    out, path = tmp_path / "out", workflow("common.threshold")
    (out / ".voxome").mkdir(parents=True)
    (out / ".voxome" / "run.sqlite").write_bytes(b"no database at all" * 500)
    with pytest.raises(StoreError, match=r"the records in .*run\.sqlite: file is not a database"):
        run(path, {"raw": raw}, out=out, block=CUBES)


def test_relative_paths_are_resolved_in_the_working_directory(
    workflow: Tuned, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workflow("common.threshold")
    monkeypatch.chdir(tmp_path)
    run(path, {"raw": "raw.zarr"}, out="out", block=CUBES)
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    record = run(path, {"raw": "../raw.zarr"}, out="../out", block=CUBES)
    assert all(step["blocks"]["run"] == 0 for step in record["steps"])
    shutil.copytree(raw, tmp_path / "copy.zarr")
    again = run(path, {"raw": "../copy.zarr"}, out="../out", block=CUBES)
    assert any("copy.zarr" in change for change in again["changes"])
    assert all(step["blocks"]["reused"] == 0 for step in again["steps"])


def _command(path: Path, raw: Path, out: Path, *more: str) -> list[str]:
    arguments = ["run", str(path), "--set", f"raw={raw}", "--out", str(out), "--block", "16,16,16", *more]
    return [sys.executable, "-m", "voxome.cli.main", *arguments]


@pytest.mark.slow
def test_an_interrupted_run_stops_before_its_end_and_resumes(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = _command(workflow("demo.slow"), raw, out, "--workers", "2")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob(".voxome/steps/first-*/result.zarr/0/c")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=100)
    assert process.returncode == 130
    assert text.splitlines()[-1] == "Interrupted; rerun the same command to resume"
    assert "Traceback" not in text
    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert_nothing_is_marked_complete(out)
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    steps = json.loads(done.stdout)["steps"]
    assert steps[0]["blocks"]["reused"] > 0
    assert steps[-1]["blocks"]["reused"] == 0
    assert np.array_equal(voxome.open(f"{out}/mask.zarr")[...], np.where(voxome.open(str(raw))[...] > 0.5, 255, 0))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return a function that mounts a disk of so many kilobytes, or enlarges it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def size(kilobytes: int) -> Path:
        how = f"remount,size={kilobytes}k" if os.path.ismount(disk) else f"size={kilobytes}k"
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how, "tmpfs", disk], capture_output=True, check=False
        ).returncode:
            pytest.skip("only root can mount a small disk")
        return disk

    yield size
    if os.path.ismount(disk):
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_disk_may_be_full_at_any_moment(
    workflow: Tuned, raw: Path, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    path, failures = workflow("common.threshold"), 0
    for kilobytes in (8, 40, 80, 120, 150, 180, 210, 240, 270, 300, 2000):
        out = small_disk(kilobytes) / "out"
        done = subprocess.run(_command(path, raw, out), capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        if done.returncode == 0:
            assert_right(out, raw)
            continue
        failures += 1
        assert done.returncode == 1
        assert "No space left" in done.stderr or "full" in done.stderr, done.stderr
        assert_nothing_is_marked_complete(out)
    assert done.returncode == 0
    assert failures >= 3


@pytest.mark.slow
def test_a_file_size_limit_is_reported_and_the_run_resumes(workflow: Tuned, raw: Path, tmp_path: Path) -> None:
    command = " ".join(_command(workflow("common.threshold"), raw, tmp_path / "out"))
    done = subprocess.run(["bash", "-c", f"ulimit -f 3; exec {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("voxome: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "run.json").exists()
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == 0
    assert_right(tmp_path / "out", raw)
