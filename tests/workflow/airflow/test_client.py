"""Airflow's REST API, as far as a run is started and followed by it; its server is a stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from voxome.errors import AccessDenied, AlreadyExists, CorruptData, InvalidInput, NotFound, RunFailed, StoreError
from voxome.workflow.airflow import client as client_module
from voxome.workflow.airflow.client import AirflowClient
from voxome.workflow.airflow.schedule import Exported, follow_run, start_run

DAG = Exported("voxome-flow-k", Path("/dags/voxome-flow-k.py"))
LARGEST_PAGE = 25


@dataclass
class Airflow:
    """What the server knows and does."""

    dag: dict[str, Any] | None = field(default_factory=lambda: {"is_paused": True})
    import_errors: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    states: list[str] = field(default_factory=lambda: ["success"])
    tasks: list[dict[str, Any]] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    needs_password: bool = False
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, target: str, body: Any, bearer: str) -> tuple[int, Any]:
        self.requests.append(f"{method} {target}")
        if self.faults:
            return self.faults.pop(0), {"detail": "by the stand-in"}
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path == "/auth/token":
            known = not self.needs_password or body == {"username": "ann", "password": "pass-word"}
            return (201, {"access_token": "token"}) if known else (401, {})
        if bearer != "Bearer token":
            return 401, {"detail": "who?"}
        dag = f"/api/v2/dags/{DAG.dag}"
        pages = {
            "/api/v2/importErrors": ("import_errors", self.import_errors),
            f"{dag}/dagRuns": ("dag_runs", self.runs),
            f"{dag}/dagRuns/run1/taskInstances": ("task_instances", self.tasks),
        }
        if (method, path) == ("POST", f"{dag}/dagRuns"):
            return 200, {"dag_run_id": "run1"}
        if path in pages:
            name, items = pages[path]
            start = int(query["offset"][0])
            size = min(int(query["limit"][0]), LARGEST_PAGE)
            return 200, {name: items[start : start + size], "total_entries": len(items)}
        if path == f"{dag}/dagRuns/run1":
            return 200, {"state": self.states.pop(0) if len(self.states) > 1 else self.states[0]}
        if path == dag and self.dag is not None:
            self.dag |= body or {}
            return 200, self.dag
        return 404, {"detail": "not there"}


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    state = Airflow()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            bearer = self.headers.get("Authorization", "")
            status, body = state.answer(self.command, self.path, json.loads(raw or b"null"), bearer)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()


@pytest.fixture
def client(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowClient]:
    monkeypatch.setattr(client_module, "_PAUSE_S", 0.001)
    monkeypatch.delenv("VOXOME_AIRFLOW_TOKEN", raising=False)
    opened = AirflowClient(airflow.url)
    yield opened
    opened.close()


def _follow(client: AirflowClient) -> list[str]:
    lines: list[str] = []
    follow_run(client, DAG.dag, "run1", report=lines.append, poll_s=0.0)
    return lines


def test_a_new_dag_is_unpaused_and_started(airflow: Airflow, client: AirflowClient) -> None:
    assert start_run(client, DAG, poll_s=0.0) == "run1"
    assert airflow.dag == {"is_paused": False}
    airflow.states = ["queued", "running", "success"]
    assert _follow(client)[-1] == f"{DAG.dag}: success, 0 of 0 tasks done"


def test_a_failure_beyond_the_first_page_is_seen(airflow: Airflow, client: AirflowClient) -> None:
    airflow.states = ["failed"]
    airflow.tasks = [
        {"task_id": "01-mark.jobs-0", "map_index": n, "state": "failed" if n == 240 else "success"} for n in range(251)
    ]
    lines: list[str] = []
    with pytest.raises(RunFailed, match=r"1 tasks of the run run1 of [\s\S]*01-mark.jobs-0 \[240\]"):
        follow_run(client, DAG.dag, "run1", report=lines.append, poll_s=0.0)
    assert lines == [f"{DAG.dag}: failed, 250 of 251 tasks done, 1 failed"]


def test_a_run_that_waits_for_somebody_is_reported(airflow: Airflow, client: AirflowClient) -> None:
    airflow.states = ["queued", "queued", "success"]
    assert any("is paused in Airflow; no task starts" in line for line in _follow(client))


def test_an_airflow_that_does_not_answer_for_a_while_is_waited_for(airflow: Airflow, client: AirflowClient) -> None:
    airflow.faults = [503, 429]
    assert _follow(client)[-1].startswith(f"{DAG.dag}: success")
    airflow.faults = [503] * 20
    with pytest.raises(StoreError, match=r"GET .* failed: 503"):
        client.tasks(DAG.dag, "run1")


def test_a_start_whose_answer_got_lost_is_not_repeated(airflow: Airflow, client: AirflowClient) -> None:
    client.find_dag(DAG.dag)
    airflow.faults = [500]
    with pytest.raises(StoreError, match=r"POST .* failed: 500"):
        client.trigger(DAG.dag)
    assert [one.split()[0] for one in airflow.requests].count("POST") == 1


def test_a_dag_that_cannot_be_parsed_or_found_or_runs_already_is_named(airflow: Airflow, client: AirflowClient) -> None:
    airflow.dag = None
    with pytest.raises(NotFound, match=r"has not found /dags/voxome-flow-k.py in 0 s"):
        start_run(client, DAG, patience_s=0.0, poll_s=0.0)
    airflow.import_errors = [
        {"filename": "voxome-flow-k.py", "stack_trace": "Traceback\nImportError: no such operator"}
    ]
    with pytest.raises(CorruptData, match=r"cannot parse /dags/voxome-flow-k.py: ImportError: no such operator"):
        start_run(client, DAG, poll_s=0.0)
    airflow.dag = {}
    airflow.runs = [{"dag_run_id": f"old{n}", "state": "failed"} for n in range(60)]
    airflow.runs += [{"dag_run_id": "now", "state": "queued"}]
    with pytest.raises(AlreadyExists, match="The run now of voxome-flow-k has not ended"):
        start_run(client, DAG, poll_s=0.0)


def test_passwords_and_tokens_are_those_of_the_profile(
    airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.needs_password = True
    with pytest.raises(AccessDenied, match="gives no token"):
        AirflowClient(airflow.url).find_dag(DAG.dag)
    config = tmp_path / "config.toml"
    config.write_text(
        f"[profiles.default.airflow]\nhost = '{airflow.url}'\ntoken = 'pass-word'\noptions = {{user = 'ann'}}\n"
    )
    monkeypatch.setenv("VOXOME_CONFIG", str(config))
    assert AirflowClient(airflow.url).find_dag(DAG.dag) is not None
    monkeypatch.setenv("VOXOME_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("VOXOME_AIRFLOW_HOST", airflow.url)
    monkeypatch.setenv("VOXOME_AIRFLOW_TOKEN", "wrong")
    with pytest.raises(AccessDenied, match="set VOXOME_AIRFLOW_TOKEN"):
        AirflowClient(airflow.url).find_dag(DAG.dag)
    with pytest.raises(InvalidInput, match="is not the address of an Airflow"):
        AirflowClient("localhost:8080")
