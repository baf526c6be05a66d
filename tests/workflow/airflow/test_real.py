"""A run in a real Airflow of this machine, with its metadata in SQLite; `make airflow` installs it and runs this."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from peers.process import free_port, running
from workflow.pipeline import CONNECTOME, Phantom, assert_same_results

PROGRAM = Path(__file__).parents[3] / ".venv" / "airflow" / "bin" / "airflow"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif("VOXOME_TEST_AIRFLOW" not in os.environ, reason="`make airflow` installs Airflow and runs this"),
]


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of an Airflow where everybody is an administrator, and the folder of its DAGs."""
    home, port = tmp_path / "airflow", free_port()
    (home / "dags").mkdir(parents=True)
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
    }
    subprocess.run([PROGRAM, "db", "migrate"], env=environment, check=True, capture_output=True)

    def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/api/v2/version").status_code == 200
        return False

    command = [str(PROGRAM), "standalone"]
    with running(command, log=home / "log", ready=is_ready, timeout_s=300, environment=environment) as server:
        yield url, home / "dags"
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # its scheduler would outlive it


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
