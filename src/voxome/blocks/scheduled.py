"""Jobs of a step that somebody else's scheduler starts: their statuses are in the store until a run records them.

For a step with key K, ``scheduled/K/plan.json`` has the step and says which jobs are done already, and
``scheduled/K/P-N.json`` has the status of job N of phase P, which its worker writes last.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from voxome.blocks.runner import job_batch
from voxome.blocks.step import Step
from voxome.config.settings import exported
from voxome.contracts.engine import Job, JobStatus
from voxome.contracts.formats import PRIVATE
from voxome.contracts.json_text import json_text
from voxome.contracts.records import Ledger
from voxome.engines.element_worker import perform_all
from voxome.errors import NotFound
from voxome.storage.find import storage_at
from voxome.storage.path import StoragePath

_FOLDER, _PLAN = "scheduled", "plan.json"


def statuses_folder(key: str, store: str) -> StoragePath:
    """Return the folder of the statuses of the jobs of the step with a key."""
    return storage_at(store) / PRIVATE / _FOLDER / key


def write_done(step: Step, store: str, ledger: Ledger, *, needed: bool) -> None:
    """Write a step, which of its jobs are done, and the settings of this process, for `perform_group`."""
    done = {str(phase): sorted(ledger.jobs_done(step.key, phase)) for phase in range(len(step.phases))}
    content = {"step": step.to_json(), "needed": needed, "done": done, "settings": exported()}
    text = json_text(content, f"step {step.name}")
    (statuses_folder(step.key, store) / _PLAN).write_bytes(text.encode())


def read_done(key: str, store: str) -> Mapping[str, Any]:
    """Return what `write_done` wrote.

    Raises
    ------
    NotFound
        If the step was not prepared.
    """
    path = statuses_folder(key, store) / _PLAN
    text = path.read_bytes()
    if text is None:
        raise NotFound(
            f"{path} does not exist: its step was not prepared, or another run has recorded it; repeat the task that "
            "prepares it"
        )
    found: Mapping[str, Any] = json.loads(text)
    return found


def perform_group(key: str, store: str, phase: int, group: int, groups: int) -> int:
    """Perform one of `groups` groups of the jobs of a phase, but those that are done, and return the exit status.

    Raises
    ------
    NotFound
        If the step was not prepared.
    StoreError, AccessDenied
        If the store fails.
    """
    plan = read_done(key, store)
    step = Step.from_json(plan["step"])
    batch = job_batch(step, phase, store, plan["settings"])
    done = set(range(batch.jobs)) if not plan["needed"] else set(plan["done"][str(phase)])
    numbers = [n for n in range(group * batch.jobs // groups, (group + 1) * batch.jobs // groups) if n not in done]
    folder = statuses_folder(key, store)

    def read(place: int) -> Job | None:
        job = batch.job(numbers[place])
        status = _parse((folder / _name(phase, numbers[place])).read_bytes())
        return None if status is not None and (status.id, status.state) == (job.id, "done") else job

    def write(place: int, status: JobStatus) -> None:
        if status.state != "done":
            print(f"{batch.where(numbers[place])} {status.state}: {status.error}", file=sys.stderr)
        (folder / _name(phase, numbers[place])).write_bytes(json.dumps(status.to_json()).encode())

    return perform_all(len(numbers), read, write)


def collect_statuses(step: Step, store: str, ledger: Ledger) -> None:
    """Record the jobs of a step that are done, and remove their statuses.

    Raises
    ------
    StoreError, AccessDenied
        If the store fails.
    """
    folder = statuses_folder(step.key, store)
    names = [(phase, number) for phase, number in _listed(folder) if phase < len(step.phases)]
    texts = folder.read_all([_name(phase, number) for phase, number in names])
    batches = {phase: job_batch(step, phase, store) for phase in {phase for phase, _ in names}}
    for (phase, number), text in zip(names, texts, strict=True):
        status = _parse(text)
        if status is None or status.result is None or status.id != batches[phase].id(number):
            continue
        if status.state == "done" and number < batches[phase].jobs:
            ledger.job_done(step.key, phase, number, status.result.seconds, status.result.peak_bytes)
    with suppress(NotFound):
        folder.delete()


def _name(phase: int, number: int) -> str:
    return f"{phase}-{number}.json"


def _listed(folder: StoragePath) -> Iterator[tuple[int, int]]:
    try:
        for page in folder.pages():
            for name in page.files:
                phase, _, number = name.removesuffix(".json").partition("-")
                if phase.isdecimal() and number.isdecimal():
                    yield int(phase), int(number)
    except NotFound:
        return


def _parse(text: bytes | None) -> JobStatus | None:
    try:
        return None if text is None else JobStatus.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None
