"""The plan that a run folder holds, and how another plan differs from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voxome.contracts.formats import PLAN, PRIVATE
from voxome.contracts.json_text import json_text
from voxome.errors import CorruptData, PlanError
from voxome.records.folder import read_json, write_json


def keep_plan(folder: Path, plan: Mapping[str, object]) -> None:
    """Write the plan of a new run, or check that a run that is resumed has the same plan.

    Raises
    ------
    PlanError
        If the folder holds a run of another plan; the problems name the differences.
    CorruptData, UnsupportedFormat
        If the saved plan is damaged, or of another version.
    """
    path = folder / PRIVATE / "plan.json"
    now = json.loads(json_text(plan, "the plan"))
    if not path.exists():
        write_json(path, now)
        return
    before = read_json(path)
    if before is None:
        raise CorruptData(f"{path} is damaged: it is not a JSON object. Choose another folder, or remove {folder}.")
    try:
        content = PLAN.content(before, path)
        differences = [*_moved(content, now, folder), *_differences(content["steps"], now["steps"])]
    except (LookupError, TypeError, AttributeError) as error:
        raise CorruptData(f"{path} is damaged ({error!r}). Choose another folder, or remove {folder}.") from error
    if differences:
        advice = f"{folder} holds a run of another plan: rerun the same command, choose another folder, or remove it"
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
        for what in ("tool", "version", "digest", "parameters", "block", "frame", "inputs"):
            a, b = old[name][what], new[name][what]
            if a == b:
                continue
            if what == "digest":
                yield f"step {name}: the code of {new[name]['tool']} has changed"
                continue
            if not isinstance(a, dict) or not isinstance(b, dict):
                yield f"step {name}: {what} was {a}, now it is {b}"
                continue
            for key in sorted({*a, *b}):
                if a.get(key) != b.get(key) and not (what == "inputs" and _come_from_steps(a.get(key), b.get(key))):
                    yield f"step {name}: {what} {key} was {_shown(a.get(key))}, now it is {_shown(b.get(key))}"


def _shown(value: Any) -> Any:
    """Return a handle in a line: its URI, then its box and voxel size if it has any."""
    if not isinstance(value, dict) or "uri" not in value:
        return value
    return ", ".join([value["uri"], *(f"{key} {value[key]}" for key in ("box", "voxel_size_nm") if key in value)])


def _come_from_steps(*handles: Any) -> bool:
    """Whether the inputs differ only because a step before them does."""
    return all(isinstance(h, dict) and h.get("uri", "").find("{store}") >= 0 for h in handles)
