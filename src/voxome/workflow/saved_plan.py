"""The plan in the folder of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voxome.errors import CorruptData, PlanError
from voxome.records.folder import PRIVATE, write_json


def keep_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write the plan of a new run; of one that is continued, check that it is the same.

    Raises
    ------
    PlanError
        If the folder holds a run of another plan; the faults name what differs.
    """
    path = folder / PRIVATE / "plan.json"
    now = json.loads(json.dumps(plan, default=str))
    if not path.exists():
        write_json(path, now)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        differences = [*_moved(before, now, folder), *_differences(before["steps"], now["steps"])]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CorruptData(f"{path} is no plan ({error!r}); choose another folder, or remove {folder}") from error
    if differences:
        advice = f"{folder} holds a run of another plan: give the same command, choose another folder, or remove it"
        raise PlanError([advice, *differences])


def _moved(before: dict[str, Any], now: dict[str, Any], folder: Path) -> Iterator[str]:
    old, new = (plan.get("store", str(folder)) for plan in (before, now))
    if old != new:
        yield f"results were kept in {old}, now they would be in {new}"


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
