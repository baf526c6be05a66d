"""Airflow 3 of this machine, with its metadata in SQLite; `make airflow` installs it in an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from peers.process import free_port, running

PROGRAM = Path(__file__).parents[2] / ".venv" / "airflow" / "bin" / "airflow"


@contextmanager
def airflow(home: Path) -> Iterator[tuple[str, Path]]:
    """Run an Airflow where everybody is an administrator; yields its address and the folder of its DAGs."""
    port = free_port()
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
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "300",
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
    with running(command, log=home / "log", ready=is_ready, timeout_s=1800, environment=environment) as server:
        try:
            yield url, home / "dags"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # its scheduler would outlive it
