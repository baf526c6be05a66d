"""Export a run as a DAG of Airflow, start it, and follow it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxome.config.machine import worker_count
from voxome.config.settings import exported
from voxome.contracts.formats import PRIVATE
from voxome.errors import AlreadyExists, CorruptData, InvalidInput, NotFound, PlanError, RunFailed
from voxome.records.folder import lock_folder, map_disk_errors, write_json
from voxome.workflow.airflow.client import AirflowClient
from voxome.workflow.airflow.dag import DagOptions, dag_id, dag_text, write_dag
from voxome.workflow.airflow.tasks import ARGUMENTS
from voxome.workflow.plan import Plan
from voxome.workflow.run import require_kind
from voxome.workflow.saved_plan import adopt_plan
from voxome.workflow.store import lock_results, run_folder, store_address

_POLL_S = 5.0
_QUEUED_S = 60.0
"""Time after which a run that does not start is reported."""
_ENDED = ("success", "failed")


@dataclass(frozen=True)
class Exported:
    """A DAG that was written: its id and its file."""

    dag: str
    file: Path


def export_run(
    plan: Plan,
    *,
    out: str | Path,
    store: str | Path | None = None,
    workers: int | None = None,
    records: str | None = None,
    fresh: bool = False,
    dags: str | Path,
    arguments: Sequence[str],
    python: str = sys.executable,
    retries: int = 2,
) -> Exported:
    """Prepare a run folder as `voxome.run` does, and write the DAG that runs the plan.

    Parameters
    ----------
    plan : Plan
        The plan.
    out, store, workers, records, fresh
        As of `voxome.run`; `workers` is the number of groups of jobs that run at once.
    dags : str or path
        Folder of Airflow's DAGs.
    arguments : sequence of str
        Arguments of ``voxome run``, which is the last task.
    python : str
        Interpreter with voxome where tasks run.
    retries : int
        How often Airflow repeats a group of jobs that failed.

    Raises
    ------
    InvalidInput
        If `dags` is not a folder.
    PlanError
        If steps are planned during the run, which no DAG can have.
    RunLocked, AlreadyExists, CorruptData, StoreError
        As `voxome.run`.
    """
    target = Path(dags).expanduser().resolve()
    if not target.is_dir():
        raise InvalidInput(f"{dags} is not a folder; expected the folder of Airflow's DAGs")
    if plan.pending is not None:
        names = ", ".join(step.name for step in plan.pending.graph.pending)
        raise PlanError([f"{names} can only be planned during the run, which no DAG can have; use `voxome run`"])
    folder = run_folder(out)
    address = store_address(store, folder)
    with map_disk_errors(folder), lock_folder(folder), lock_results(address, folder):
        require_kind(folder, plan)
        adopt_plan(folder, plan, address, fresh=fresh)
        content = {"arguments": list(arguments), "directory": str(Path.cwd()), "settings": exported()}
        write_json(folder / PRIVATE / ARGUMENTS, content)
    identifier = dag_id(plan.workflow, plan.key)
    options = DagOptions(
        folder=folder,
        store=address,
        records=records,
        python=python,
        workers=worker_count(workers),
        retries=retries,
        description=_describe(plan, folder),
    )
    return Exported(identifier, write_dag(target, identifier, dag_text(identifier, plan.steps, options)))


def _describe(plan: Plan, folder: Path) -> str:
    rows = [
        f"| {step.name} | {step.tool} | {step.total:,} | "
        + ", ".join(f"{name} = {value}" for name, value in sorted(step.parameters.items()))
        + " |"
        for step in plan.steps
    ]
    return "\n".join(
        [f"`{plan.workflow}` into `{folder}`", "", "| step | tool | blocks | parameters |", "|---|---|---|---|", *rows]
    )


def start_run(
    client: AirflowClient, exported_run: Exported, *, patience_s: float = 600.0, poll_s: float = _POLL_S
) -> str:
    """Wait until Airflow has parsed a DAG, start a run of it, and return the id of the run.

    Raises
    ------
    CorruptData
        If Airflow cannot parse the file.
    NotFound
        If it does not find the file in time.
    AlreadyExists
        If a run of it has not ended.
    """
    deadline = time.monotonic() + patience_s
    while client.find_dag(exported_run.dag) is None:
        if problem := client.import_error(exported_run.file.name):
            raise CorruptData(f"Airflow cannot parse {exported_run.file}: {problem.strip().splitlines()[-1]}")
        if time.monotonic() >= deadline:
            raise NotFound(
                f"Airflow has not found {exported_run.file} in {patience_s:g} s; is that the folder of its DAGs, and "
                "does its DAG processor run?"
            )
        time.sleep(poll_s)
    if unfinished := client.running(exported_run.dag):
        raise AlreadyExists(
            f"The run {unfinished[0]} of {exported_run.dag} has not ended; wait for it, or end it in Airflow"
        )
    client.unpause(exported_run.dag)
    return client.trigger(exported_run.dag)


def follow_run(
    client: AirflowClient, dag: str, run: str, *, report: Callable[[str], None], poll_s: float = _POLL_S
) -> None:
    """Follow a run to its end, with a line for every change.

    Raises
    ------
    RunFailed
        If it fails; the message names the tasks.
    """
    began, last, warned = time.monotonic(), "", False
    while True:
        state, tasks = client.run_state(dag, run), client.tasks(dag, run)
        counts = Counter(str(one["state"]) for one in tasks)
        done, failed = counts["success"], counts["failed"] + counts["upstream_failed"]
        line = f"{dag}: {state}, {done:,} of {len(tasks):,} tasks done" + (f", {failed:,} failed" if failed else "")
        if line != last:
            report(line)
            last = line
        if state in _ENDED:
            break
        if not warned and (paused := _waiting_reason(client, dag, state, time.monotonic() - began)):
            report(f"warning: {paused}")
            warned = True
        time.sleep(poll_s)
    if state == "failed":
        raise RunFailed(_failure(dag, run, tasks))


def _waiting_reason(client: AirflowClient, dag: str, state: str, waited_s: float) -> str:
    found = client.find_dag(dag)
    if found is not None and found.get("is_paused"):
        return f"{dag} is paused in Airflow; no task starts until somebody lets it run"
    if state == "queued" and waited_s > _QUEUED_S:
        return f"the run is queued for {waited_s:.0f} s; does Airflow's scheduler run, with a free slot?"
    return ""


def _failure(dag: str, run: str, tasks: Sequence[object]) -> str:
    rows = [one for one in tasks if isinstance(one, dict) and one["state"] == "failed"]
    names = [one["task_id"] + (f" [{one['map_index']}]" if one.get("map_index", -1) >= 0 else "") for one in rows]
    return "\n".join(
        [
            f"{len(rows):,} tasks of the run {run} of {dag} failed:",
            *(f"  - {name}" for name in sorted(names)[:16]),
            *(["  - …"] if len(names) > 16 else []),
            "Airflow has their logs. Fix the cause, and rerun this command or `voxome run`; finished blocks are kept.",
        ]
    )
