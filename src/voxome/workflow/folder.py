"""The folder of a run: its lock, its plan, its record."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DatabaseError

from voxome.errors import CorruptData, PlanError, RunLocked, StoreError, VoxomeError

OWN = ".voxome"
"""The folder, in the run folder, of what is not a result."""
_THEN = "make room or mend it, and give the same command again: what is done stays done"


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """Tell of a disk or ledger that fails while `folder` is written to.

    Raises
    ------
    StoreError
    """
    try:
        yield
    except VoxomeError:
        raise
    except OSError as error:
        what = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
        raise StoreError(f"cannot write to {folder}: {what}; {_THEN}") from error
    except DatabaseError as error:
        raise StoreError(
            f"the ledger in {folder / OWN} cannot be read or written: {error.orig}; make room if the disk is full, "
            f"else remove {folder}, and give the same command again"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process.

    Raises
    ------
    RunLocked
        If another process holds it.
    """
    try:
        (folder / OWN).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the run folder {folder}: {error.strerror}; choose a folder that can be written to"
        ) from error
    with (folder / OWN / "lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise RunLocked(
                f"{folder} is held by a run under way (process {holder}); wait for it, end it, or choose another folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file that is there whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(data, indent=1, default=str) + "\n", encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote; None if it is not there or makes no sense."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def keep_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write the plan of a new run; of one that is continued, check that it is the same.

    Raises
    ------
    PlanError
        If the folder holds a run of another plan; the faults name what differs.
    """
    path = folder / OWN / "plan.json"
    now = json.loads(json.dumps(plan, default=str))
    if not path.exists():
        write_json(path, now)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        differences = list(_differences(before["steps"], now["steps"]))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CorruptData(f"{path} is no plan ({error!r}); choose another folder, or remove {folder}") from error
    if differences:
        advice = f"{folder} holds a run of another plan: give the same command, choose another folder, or remove it"
        raise PlanError([advice, *differences])


def _differences(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[str]:
    old, new = ({step["name"]: step for step in steps} for steps in (before, now))
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new or name not in old:
            yield f"step {name} is {'missing now' if name in old else 'new'}"
            continue
        for what in ("tool", "version", "parameters", "block", "frame", "inputs"):
            a, b = old[name][what], new[name][what]
            if a == b:
                continue
            if not isinstance(a, dict) or not isinstance(b, dict):
                yield f"step {name}: {what} was {a}, now it is {b}"
                continue
            for key in sorted({*a, *b}):
                if a.get(key) != b.get(key) and not (what == "inputs" and _made_by_step(a.get(key), b.get(key))):
                    yield f"step {name}: {what} {key} was {_shown(a.get(key))}, now it is {_shown(b.get(key))}"


def _shown(value: Any) -> Any:
    """A handle without what tells nothing to a person."""
    if not isinstance(value, dict) or "uri" not in value:
        return value
    others = [f"{k} {v}" for k, v in value.items() if k not in ("voxome", "type", "uri", "key")]
    return ", ".join([value["uri"], *others])


def _made_by_step(*handles: Any) -> bool:
    """Whether the inputs differ only because a step before them does."""
    return all(isinstance(h, dict) and h.get("uri", "").find("{store}") >= 0 for h in handles)
