"""Copies that were interrupted or failed are resumed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from workflow.into.conftest import BLOCK, Lab, opened, transfers

import voxome
from voxome.blocks.progress import StepReport
from voxome.errors import RunFailed
from voxome.remotes.n5.source import N5Source


def fail_at_the_first_step(report: StepReport) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_run_keeps_the_transfers_of_results_that_are_unchanged(lab: Lab) -> None:
    done = transfers(lab.run(into={"mask": f"zarr://{lab.folder}/mask.zarr"}))
    lab.edit_lookup(77)
    with pytest.raises(KeyboardInterrupt):
        lab.run(progress=fail_at_the_first_step)
    assert not (lab.out / "run.json").exists()
    assert transfers(lab.run()) == done


def interrupt(report: StepReport) -> None:
    if report.name == "mask.into" and report.run >= 3:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_an_interrupted_copy_is_resumed(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr"}
    with pytest.raises(KeyboardInterrupt):
        lab.run(into=into, progress=interrupt)
    assert not json.loads((lab.out / "run.json").read_text())["transfers"]
    record = lab.run(into=into, verify="sampled")
    blocks = transfers(record)["mask"]["blocks"]
    assert sum(step["blocks"]["run"] for step in record["steps"]) == 0
    assert blocks["reused"] >= 3
    assert blocks["run"] == blocks["total"] - blocks["reused"]
    assert np.array_equal(opened(into["mask"])[...], lab.mask())


@pytest.mark.slow
def test_a_result_that_changes_during_an_interrupted_copy_is_copied_from_the_start(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr"}
    with pytest.raises(KeyboardInterrupt):
        lab.run(into=into, progress=interrupt)
    assert transfers(lab.run(at=7.0, into=into))["mask"]["blocks"]["reused"] == 0
    assert np.array_equal(opened(into["mask"])[...], lab.mask(7.0))


@pytest.mark.slow
def test_a_moved_run_folder_continues(lab: Lab) -> None:
    into = {"mask": f"zarr://{lab.folder}/mask.zarr"}
    with pytest.raises(KeyboardInterrupt):
        lab.run(into=into, progress=interrupt)
    lab.out = lab.out.rename(lab.folder / "moved")
    assert transfers(lab.run(into=into))["mask"]["blocks"]["reused"] >= 3


@pytest.mark.slow
def test_a_run_killed_in_the_last_step_resumes_it(lab: Lab) -> None:
    uri = f"precomputed://{lab.folder}/neurons"
    command = [sys.executable, "-m", "voxome.cli.main", "run", str(lab.workflow), "--out", str(lab.out)]
    command += ["--block", ",".join(map(str, BLOCK)), "--into", f"neurons={uri}", "--workers", "2", "--verify", "all"]
    command += [part for name, value in lab.inputs.items() for part in ("--set", f"{name}={value}")]
    environment = {**os.environ, "VOXOME_TRANSFER_BLOCK_BYTES": "512"}
    with (lab.folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=log)
        _wait_for_rows(lab, process, at_least=4)  # a block that is copied and verified has two
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not json.loads((lab.out / "run.json").read_text())["transfers"]
        subprocess.run(command, env=environment, check=True, stderr=log)
    record = json.loads((lab.out / "run.json").read_text())
    (done,) = record["transfers"]
    assert sum(step["blocks"]["run"] for step in record["steps"]) == 0
    assert done["blocks"]["reused"] >= 2
    assert done["verified"] == done["blocks"]["total"]
    assert np.array_equal(opened(uri)[...], lab.neurons)


def _wait_for_rows(lab: Lab, process: subprocess.Popen[bytes], at_least: int) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, (lab.folder / "log").read_text()
        for ledger in lab.out.glob(".voxome/transfers/**/transfer.sqlite"):
            try:
                with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5) as rows:
                    if rows.execute("select count(*) from jobs").fetchone()[0] >= at_least:
                        return
            except sqlite3.OperationalError:
                continue
        time.sleep(0.01)
    pytest.fail("no blocks were copied")


@pytest.mark.slow
def test_a_failed_copy_names_its_blocks_and_the_next_run_continues(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    into = {"mask": f"n5://{lab.folder}/mask.n5"}
    write = N5Source.write

    def fail(self: N5Source, box: voxome.Box, data: Any) -> None:
        if box.start[0] >= 64 and box.size > 1:
            raise OSError("disk")
        write(self, box, data)

    with monkeypatch.context() as patch:
        patch.setattr(N5Source, "write", fail)
        with pytest.raises(RunFailed, match=r"jobs of the transfer failed"):
            lab.run(into=into)
    blocks = transfers(lab.run(into=into))["mask"]["blocks"]
    assert blocks["run"]
    assert blocks["reused"]
    assert np.array_equal(opened(into["mask"])[...], lab.mask())
