"""Runs of foreign programs that are killed, and go on where they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from workflow.block_programs import COPY_STEP, copy_tool, write_workflow

import voxome

pytestmark = pytest.mark.slow
WORKERS = 2


@pytest.mark.skipif(sys.platform != "linux", reason="programs end with their worker by a call of Linux")
def test_a_killed_run_ends_its_programs_and_repeats_no_finished_block(tmp_path: Path) -> None:
    image = np.arange(24**3, dtype=np.uint16).reshape(24, 24, 24)
    np.save(tmp_path / "raw.npy", image)
    script = tmp_path / "copy.sh"
    script.write_text(f'echo $$ >> {tmp_path}/starts; sleep 0.3; cp "$1" out.npy; echo $$ >> {tmp_path}/ends\n')
    tool = copy_tool(f"[sh, {script}, $(inputs.image)]", out="{format: npy, dtype: uint16}")
    workflow = write_workflow(tmp_path, COPY_STEP, tool)
    (tmp_path / "temporary").mkdir()
    process = start(workflow, tmp_path)
    wait_for(tmp_path / "ends", 6)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 120
    while has_blocks(tmp_path / "temporary"):  # what a killed worker leaves is removed for it
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [pid for pid in lines_of(tmp_path / "starts") if is_alive(int(pid))] == []
    before = len(lines_of(tmp_path / "starts"))
    assert before < 27
    assert start(workflow, tmp_path).wait(timeout=300) == 0
    assert len(lines_of(tmp_path / "starts")) <= 27 + WORKERS
    (step,) = json.loads((tmp_path / "out" / "run.json").read_text())["steps"]
    assert step["blocks"]["reused"] >= before - WORKERS
    np.testing.assert_array_equal(voxome.open(tmp_path / "out" / "out.zarr")[...], image)


def start(workflow: Path, folder: Path) -> subprocess.Popen[bytes]:
    arguments = [f"--set=raw={folder}/raw.npy", f"--out={folder}/out", f"--workers={WORKERS}"]
    return subprocess.Popen(
        [sys.executable, "-m", "voxome.cli.main", "run", str(workflow), *arguments],
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
    )


def has_blocks(folder: Path) -> bool:
    """Whether there are folders of blocks; one that is removed meanwhile may have some."""
    try:
        return any(folder.glob("voxome-*/block-*"))
    except FileNotFoundError:
        return True


def lines_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(path: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(lines_of(path)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    return True
