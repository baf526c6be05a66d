"""A run in a real Airflow of this machine, with its metadata in SQLite; `make airflow` installs it and runs this."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import airflow as peer
from workflow.pipeline import CONNECTOME, Phantom, assert_same_results

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


def test_the_pipeline_has_the_same_results_in_airflow(
    airflow: tuple[str, Path], phantom: Phantom, reference: Path, tmp_path: Path
) -> None:
    url, dags = airflow
    inputs = [f"--set={name}={uri}" for name, uri in phantom.inputs.items()]
    options = [f"--out={tmp_path / 'out'}", "--block=96,96,96", "--workers=2", f"--dags={dags}", f"--airflow={url}"]
    command = [sys.executable, "-m", "voxome.cli.main", "schedule", str(CONNECTOME), *inputs, *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert_same_results(reference, tmp_path / "out")
