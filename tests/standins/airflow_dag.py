"""A stand-in of Airflow that performs the tasks of a DAG file: no scheduler, no retries, one task after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

MAX_MAP_LENGTH = 1024
_RAW = re.compile(r"{% raw %}(.*?){% endraw %}", re.DOTALL)


@dataclass
class Task:
    """A task, mapped over environments if there is more than one instance."""

    task_id: str
    bash_command: str
    environments: Sequence[Mapping[str, str]]
    after: list[str] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __rshift__(self, other: Task) -> Task:
        other.after.append(self.task_id)
        return other


class DAG:
    """A DAG; a context manager, in which tasks are made."""

    current: DAG | None = None

    def __init__(self, dag_id: str, **options: Any) -> None:
        self.dag_id, self.options = dag_id, options
        self.tasks: dict[str, Task] = {}

    def add(self, task: Task) -> Task:
        assert task.task_id not in self.tasks
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", task.task_id)
        self.tasks[task.task_id] = task
        return task

    def perform(self, *, fail: Sequence[str] = ()) -> list[str]:
        """Perform all tasks in order, but not those in `fail`; return what failed, after which nothing starts."""
        done: set[str] = set()
        for task in self.tasks.values():
            assert set(task.after) <= done
            failed = [
                f"{task.task_id}[{index}]"
                for index, environment in enumerate(task.environments)
                if f"{task.task_id}[{index}]" in fail or _run(task.bash_command, environment)
            ]
            if failed:
                return failed
            done.add(task.task_id)
        return []

    def __enter__(self) -> DAG:
        DAG.current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        DAG.current = None


class _Partial:
    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def expand(self, *, env: Sequence[Mapping[str, str]]) -> Task:
        assert 0 < len(env) <= MAX_MAP_LENGTH
        return _add(env, **self.options)


class BashOperator:
    """Makes a task."""

    def __new__(cls, **options: Any) -> Any:
        return _add([{}], **options)

    @staticmethod
    def partial(**options: Any) -> _Partial:
        return _Partial(options)


def _add(environments: Sequence[Mapping[str, str]], *, task_id: str, bash_command: str, **options: Any) -> Task:
    assert DAG.current is not None
    return DAG.current.add(Task(task_id, bash_command, environments, options=options))


def _run(command: str, environment: Mapping[str, str]) -> int:
    assert "{{" not in _RAW.sub("", command)
    return subprocess.run(["bash", "-c", _RAW.sub(r"\1", command)], env={**os.environ, **environment}).returncode


def load_dag(file: Path) -> DAG:
    """Return the DAG of a file, as Airflow parses it."""
    names: dict[str, dict[str, Any]] = {
        "airflow": {},
        "airflow.sdk": {"DAG": DAG},
        "airflow.providers": {},
        "airflow.providers.standard": {},
        "airflow.providers.standard.operators": {},
        "airflow.providers.standard.operators.bash": {"BashOperator": BashOperator},
    }
    before = {name: sys.modules.get(name) for name in names}
    try:
        for name, content in names.items():
            module = ModuleType(name)
            vars(module).update(content)
            sys.modules[name] = module
        variables: dict[str, Any] = {}
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), variables)
    finally:
        for name, old in before.items():
            if old is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = old
    dag = variables["dag"]
    assert isinstance(dag, DAG)
    return dag
