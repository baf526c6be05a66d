"""A run in a real Airflow of this machine, with its metadata in SQLite; `make airflow` installs it and runs this."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import airflow as peer
from workflow.pipeline import CONNECTOME, Phantom, assert_same_results, has_jobs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif("VOXOME_TEST_AIRFLOW" not in os.environ, reason="`make airflow` installs Airflow and runs this"),
]


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of an Airflow, and the folder of its DAGs."""
    with peer.airflow(tmp_path / "airflow") as served:
        yield served


def test_a_run_that_was_killed_has_the_same_results_in_airflow(
    airflow: tuple[str, Path], phantom: Phantom, reference: Path, tmp_path: Path
) -> None:
    url, dags = airflow
    out = tmp_path / "out"
    inputs = [f"--set={name}={uri}" for name, uri in phantom.inputs.items()]
    options = [str(CONNECTOME), *inputs, f"--out={out}", "--block=96,96,96", "--workers=2"]
    command = [sys.executable, "-m", "voxome.cli.main"]
    with subprocess.Popen([*command, "run", *options]) as killed:
        while not has_jobs(out):
            assert killed.poll() is None
            time.sleep(0.05)
        killed.kill()
    scheduled = [*command, "schedule", *options, f"--dags={dags}", f"--airflow={url}"]
    ended = subprocess.run(scheduled, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert_same_results(reference, out)
    blocks = [step["blocks"] for step in json.loads((out / "run.json").read_text())["steps"]]
    assert [one["reused"] for one in blocks] == [one["total"] for one in blocks]  # by the last task, `voxome run`
