"""The DAG file of a run: deterministic, and Airflow reads nothing else to parse it.

Each step is a task that prepares it, a task for each phase that is mapped over groups of jobs, and a task that records
and completes it. The last task is ``voxome run`` with the same arguments.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxome.blocks.step import Step
from voxome.storage.atomic import replacing

GROUPS = 1000
"""Groups that a phase is mapped over at most: Airflow's default of ``max_map_length`` is 1,024."""
_MODULE = "voxome.workflow.airflow.tasks"
_TEMPLATE = '''"""A run of voxome, written by `voxome schedule`, which replaces this file."""

import json

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

RUN = json.loads({text!r})

with DAG(RUN["id"], schedule=None, catchup=False, max_active_runs=1, tags=["voxome"], doc_md=RUN["description"]) as dag:
    before = None
    for task in RUN["tasks"]:
        options = {{"task_id": task["id"], "bash_command": task["command"], "retries": task["retries"]}}
        if task["groups"] is None:
            operator = BashOperator(**options)
        else:
            mapped = BashOperator.partial(**options, append_env=True, max_active_tis_per_dagrun=RUN["workers"])
            operator = mapped.expand(env=[{{"VOXOME_GROUP": str(group)}} for group in range(task["groups"])])
        if before is not None:
            before >> operator
        before = operator
'''


@dataclass(frozen=True, kw_only=True)
class DagOptions:
    """What a DAG needs besides the steps.

    Attributes
    ----------
    folder : path
        Run folder.
    store : str
        Address of the store of the run.
    records : str or None
        Record store, as for `voxome.run`.
    python : str
        Interpreter with voxome, on all machines that perform tasks.
    workers : int
        Groups that run at once.
    retries : int
        How often Airflow repeats a group of jobs that failed.
    description : str
        Text that Airflow shows.
    """

    folder: Path
    store: str
    records: str | None
    python: str
    workers: int
    retries: int
    description: str


def dag_id(workflow: str, plan_key: str) -> str:
    """Return the id of a DAG, which another plan does not have: Airflow may still know an earlier file."""
    return f"voxome-{re.sub(r'[^A-Za-z0-9_-]', '_', Path(workflow).stem)}-{plan_key}"


def dag_text(identifier: str, steps: Sequence[Step], options: DagOptions) -> str:
    """Return the content of the file of a DAG."""
    own = [options.python, "-m", _MODULE]
    records = [] if options.records is None else [f"--records={options.records}"]
    tasks: list[dict[str, object]] = []

    def add(task: str, *words: str, groups: int | None = None, retries: int = 0) -> None:
        command = f"exec {shlex.join([*own, *words])}{'' if groups is None else ' --group=$VOXOME_GROUP'}"
        tasks.append({"id": task, "command": _without_templates(command), "groups": groups, "retries": retries})

    for number, step in enumerate(steps, 1):
        name = f"{number:02}-{re.sub(r'[^A-Za-z0-9_.-]', '_', step.name)}"
        add(f"{name}.prepare", "prepare", str(options.folder), step.name, *records)
        for phase in range(len(step.phases)):
            groups = min(step.jobs(phase), GROUPS)
            of_phase = [f"--phase={phase}", f"--groups={groups}"]
            add(
                f"{name}.jobs-{phase}",
                "perform",
                step.key,
                options.store,
                *of_phase,
                groups=groups,
                retries=options.retries,
            )
        add(f"{name}.finish", "finish", str(options.folder), step.name, *records)
    add("record", "record", str(options.folder))
    content = {"id": identifier, "description": options.description, "workers": options.workers, "tasks": tasks}
    return _TEMPLATE.format(text=json.dumps(content, sort_keys=True))


def write_dag(folder: Path, identifier: str, text: str) -> Path:
    """Write the file of a DAG into the folder of Airflow's DAGs, at once.

    Raises
    ------
    StoreError
        If the disk fails.
    """
    path = folder / f"{identifier}.py"
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def _without_templates(command: str) -> str:
    """Return a command in which Airflow replaces nothing; it would take one that ends in .sh for a file."""
    return f"{{% raw %}}{command}{{% endraw %}} "
