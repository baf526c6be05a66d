"""The whole pipeline: results do not depend on blocks, workers or interruptions."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from workflow.pipeline import ARRAYS, CONNECTOME, ROOT, Phantom, assert_same_results, has_jobs

import voxome
from voxome.errors import RunLocked
from voxome.geometry import Box
from voxome.records.folder import lock_folder
from voxome.resources.table import TableFile
from voxome.workflow.verbs import run

pytestmark = pytest.mark.slow
KILLS = 10


def test_the_record_is_complete(reference: Path) -> None:
    record = json.loads((reference / "run.json").read_text(encoding="utf-8"))
    assert {"affinities", "membranes", "neurons", "synapses", "connectome"} <= set(record["outputs"])
    for step in record["steps"]:
        assert step["blocks"]["run"] + step["blocks"]["reused"] == step["blocks"]["total"] > 0
        assert step["peak_bytes"] > 0
    assert record["unpinned"] == []
    assert record["scores"]["graph"]["f1"] > 0.5
    page = (reference / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 9
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("block", "engine"), [((32, 48, 40), "local"), ((96, 96, 96), "sequential"), ((40, 125, 64), "threads")]
)
def test_results_do_not_depend_on_blocks_or_workers(
    phantom: Phantom, reference: Path, tmp_path: Path, block: tuple[int, int, int], engine: str
) -> None:
    run(CONNECTOME, phantom.inputs, out=tmp_path, workers=2, block=block, engine=engine)
    assert_same_results(reference, tmp_path)


def test_a_run_killed_at_any_moment_is_resumed(phantom: Phantom, reference: Path, tmp_path: Path) -> None:
    chance = random.Random(0)
    for attempt in range(KILLS):
        process = _start(phantom, tmp_path)
        _wait_for_lock(tmp_path, process.pid)
        if attempt == KILLS - 1:
            _wait_for_a_job(tmp_path)
        time.sleep(chance.uniform(0.3, 1.2))
        if attempt % 2:
            for pid in _children(process.pid)[:1]:
                _kill(pid)
            time.sleep(0.3)
            assert process.poll() is None
        process.kill()
        process.wait()
        assert not _workers_of(tmp_path, within_s=60)
        assert not (tmp_path / "run.json").exists()
    assert _start(phantom, tmp_path).wait(timeout=300) == 0
    blocks = [step["blocks"] for step in json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["steps"]]
    assert all(count["run"] + count["reused"] == count["total"] for count in blocks)
    assert sum(count["reused"] for count in blocks) > 0
    assert_same_results(reference, tmp_path)


def test_a_second_run_in_the_same_folder_is_refused(phantom: Phantom, tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(RunLocked, match=str(os.getpid())):
        run(CONNECTOME, phantom.inputs, out=tmp_path, block=(48, 48, 48))


def test_another_late_parameter_keeps_the_steps_before_it(phantom: Phantom, reference: Path, tmp_path: Path) -> None:
    shutil.copytree(reference, tmp_path / "out")
    record = run(CONNECTOME, {**phantom.inputs, "threshold": 0.9}, out=tmp_path / "out", block=(48, 48, 48))
    reason = "step segment.agglomerate runs again: parameter threshold changed from"
    assert any(change.startswith(reason) for change in record["changes"])
    blocks = {step["name"]: step["blocks"] for step in record["steps"]}
    again = {name for name, count in blocks.items() if count["run"]}
    assert "segment.agglomerate" in again
    assert not [name for name in again if name.startswith(("predict.", "segment.fragments", "affinities"))]
    run(CONNECTOME, {**phantom.inputs, "threshold": 0.9}, out=tmp_path / "new", block=(48, 48, 48))
    assert_same_results(tmp_path / "out", tmp_path / "new")


def test_a_run_over_a_box_leaves_arrays_of_the_box(phantom: Phantom, tmp_path: Path) -> None:
    box, blocks = Box((17, 0, 31), (80, 63, 96)), ((48, 48, 48), (64, 32, 64), (25, 70, 33))
    for name, block in zip("abc", blocks, strict=True):
        run(CONNECTOME, phantom.inputs, out=tmp_path / name, block=block, box=box, engine="sequential")
    assert_same_results(tmp_path / "a", tmp_path / "b")
    assert_same_results(tmp_path / "a", tmp_path / "c")
    raw = voxome.open(phantom.inputs["raw"], expect=voxome.Volume)
    low, high = (np.array(raw.spec.centre_nm(corner)) for corner in (box.start, box.stop))
    for name in ARRAYS:
        spec = voxome.open(f"{tmp_path}/a/{name}.zarr", expect=voxome.Volume).spec
        assert (spec.frame, spec.offset_nm) == (box, raw.spec.offset_nm)
    neurons = voxome.open(f"{tmp_path}/a/neurons.zarr", expect=voxome.Volume)
    table = TableFile(tmp_path / "a" / "neurons.parquet").read()
    where = np.argwhere(neurons[...] == table["id"][0]) + box.start
    assert [table[f"{axis}_nm"][0] for axis in "zyx"] == pytest.approx(raw.spec.centre_nm(where.mean(axis=0).tolist()))
    points = TableFile(tmp_path / "a" / "synapses.parquet").read()
    for axis, first, end in zip("zyx", low, high, strict=True):
        assert ((points[f"{axis}_nm"] >= first) & (points[f"{axis}_nm"] < end)).all()


def test_plain_cwltool_gives_the_same_results_under_the_same_names(
    phantom: Phantom, reference: Path, tmp_path: Path
) -> None:
    job = {**phantom.inputs, "store": str(tmp_path / "store"), "block": "64,96,96", "workers": 1}
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        [bin_folder / "cwltool", "--outdir", tmp_path / "out", str(CONNECTOME), tmp_path / "job.json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    names = {path.name for path in reference.iterdir() if path.suffix != ".json"} - {".voxome"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert_same_results(reference, tmp_path / "out")
    assert "neurons" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def _start(phantom: Phantom, out: Path) -> subprocess.Popen[bytes]:
    settings = [f"--set={name}={uri}" for name, uri in phantom.inputs.items()]
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(CONNECTOME), *settings]
    arguments = ["--out", str(out), "--block", "48,48,48", "--workers", "2"]
    return subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for_lock(out: Path, pid: int) -> None:
    """Wait until the process holds the run folder."""
    lock = out / ".voxome" / "lock"
    deadline = time.monotonic() + 120
    while not (lock.exists() and lock.read_text(encoding="ascii") == str(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _wait_for_a_job(out: Path) -> None:
    """Wait until a job is in the ledger, which on a busy machine ten short attempts may not reach."""
    deadline = time.monotonic() + 120
    while not has_jobs(out):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def _workers_of(out: Path, within_s: float) -> list[str]:
    """Return the processes that still have the log of the run at `out` open after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    log = str(out / ".voxome" / "logs" / "workers.log")
    while True:
        left = [str(fd.parent.parent.name) for fd in _open_files() if _target(fd) == log]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def _open_files() -> list[Path]:
    return list(Path("/proc").glob("[0-9]*/fd/2"))


def _target(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except OSError:
        return ""
