"""The plan that a run folder holds. Another one takes its place, and the results that it changes are removed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxome.blocks.removal import remove_folder, remove_outputs
from voxome.blocks.step import Step
from voxome.contracts.formats import PLAN, PRIVATE
from voxome.contracts.json_text import json_text
from voxome.errors import CorruptData, PlanError, PluginError, StoreError, UnknownName
from voxome.records.folder import read_json_or_none, write_json
from voxome.storage.find import storage_at
from voxome.workflow.needed import removed_data
from voxome.workflow.plan import Plan
from voxome.workflow.plan_changes import JsonObject, describe_changes, same_results
from voxome.workflow.results import RECORD
from voxome.workflow.store import claim_store, home_address, require_claimable

_FILE = "plan.json"


@dataclass(frozen=True)
class SavedPlan:
    """A plan in a run folder.

    Attributes
    ----------
    key : str
        Its key.
    steps : mapping of str to JSON values
        Its steps, by name, in order.
    store : str or None
        Address of the results, None if they are in the run folder, which can be moved.
    stale : tuple of JSON values
        Steps of earlier plans whose results are being removed: not empty if that was interrupted.
    earlier : tuple of str
        Keys of the earlier plans that may still have claimed the store.
    """

    key: str
    steps: Mapping[str, JsonObject]
    store: str | None
    stale: tuple[JsonObject, ...] = ()
    earlier: tuple[str, ...] = ()


def adopt_plan(folder: Path, plan: Plan, store: str, *, fresh: bool = False) -> list[str]:
    """Write the plan of a run into its folder, and remove the results of the plan before that it changes.

    If that is interrupted, the next call completes it.

    Parameters
    ----------
    folder : path
        The run folder, which is locked.
    plan : Plan
        The plan.
    store : str
        Address of the results, which is locked too.
    fresh : bool
        Whether everything is removed that earlier runs have computed.

    Returns
    -------
    list of str
        Sentences: what runs again and why, and what was not removed; empty if nothing has changed.

    Raises
    ------
    PlanError
        If the results of the folder are in another store.
    AlreadyExists
        If the store has the results of another folder, or files that no run has written in the place of a result.
    CorruptData, UnsupportedFormat
        If the saved plan is damaged, or of another version.
    """
    path = folder / PRIVATE / _FILE
    elsewhere = _elsewhere(store, folder)
    now = _content(plan, elsewhere)
    saved = read_plan(folder)
    if saved is None:
        claim_store(store, folder, plan.key, ())
        write_json(path, now)
        return []
    _require_store(saved, elsewhere, folder, store)
    steps = _steps(now)
    stale = [*saved.stale, *(s for name, s in saved.steps.items() if fresh or not _stands(s, steps.get(name)))]
    earlier = (*saved.earlier, saved.key)
    require_claimable(store, folder, plan.key, earlier)
    if not stale and {**now, "warnings": []} == {**(read_json_or_none(path) or {}), "warnings": []}:
        claim_store(store, folder, plan.key, earlier)
        return _changes(saved, plan, steps, folder, store, fresh=fresh)
    changes = _changes(saved, plan, steps, folder, store, fresh=fresh)
    write_json(path, {**now, "stale": stale, "earlier": sorted({*earlier})})
    claim_store(store, folder, plan.key, earlier)
    for address in {home_address(folder), store} if stale or saved.key != plan.key else ():
        (storage_at(address) / RECORD).unlink()
    remaining = _remove(stale, store)
    write_json(path, now)
    return changes + remaining


def pending_changes(folder: Path, plan: Plan, store: str, *, fresh: bool = False) -> list[str]:
    """Return what `adopt_plan` would, from the same arguments, without changing anything.

    Raises
    ------
    PlanError, AlreadyExists, CorruptData, UnsupportedFormat
        As `adopt_plan`.
    """
    saved, elsewhere = read_plan(folder), _elsewhere(store, folder)
    if saved is not None:
        _require_store(saved, elsewhere, folder, store)
    require_claimable(store, folder, plan.key, () if saved is None else (*saved.earlier, saved.key))
    if saved is None:
        return []
    return _changes(saved, plan, _steps(_content(plan, elsewhere)), folder, store, fresh=fresh)


def _elsewhere(store: str, folder: Path) -> str | None:
    """Return the store, or None if it is the run folder."""
    return None if store == home_address(folder) else store


def _content(plan: Plan, elsewhere: str | None) -> dict[str, Any]:
    """Return the plan as its file has it."""
    content: dict[str, Any] = json.loads(json_text({**plan.to_json(), "store": elsewhere}, "the plan"))
    return content


def _steps(content: JsonObject) -> dict[str, JsonObject]:
    return {step["name"]: step for step in content["steps"]}


def _require_store(saved: SavedPlan, elsewhere: str | None, folder: Path, store: str) -> None:
    if saved.store != elsewhere:
        address = saved.store or "the folder itself"
        raise PlanError(
            [f"{folder} keeps its results in {address}, not in {store}: give that store, or another folder"]
        )


def _changes(
    saved: SavedPlan, plan: Plan, steps: Mapping[str, JsonObject], folder: Path, store: str, *, fresh: bool
) -> list[str]:
    """Return what runs again; what a finished run has computed and is gone, as after `voxome clean`, as well."""
    if fresh:
        return ["everything runs again"]
    changes = describe_changes(saved.steps, steps)
    if not (folder / RECORD).exists():
        return changes
    same = {name for name, step in saved.steps.items() if _stands(step, steps.get(name))}
    return changes + removed_data(plan.steps, store, lambda step: step.name in same)


def _stands(before: JsonObject, now: JsonObject | None) -> bool:
    return now is not None and same_results(before, now)


def read_plan(folder: Path) -> SavedPlan | None:
    """Return the plan in a run folder, or None.

    Raises
    ------
    CorruptData, UnsupportedFormat
        If it is damaged, or of another version.
    """
    path = folder / PRIVATE / _FILE
    if not path.exists():
        return None
    advice = f"Choose another folder, or remove {folder}."
    data = read_json_or_none(path)
    if data is None:
        raise CorruptData(f"{path} is damaged: it is not a JSON object. {advice}")
    content = PLAN.content(data, path)
    try:
        steps = {step["name"]: step for step in content["steps"]}
        for step in (*steps.values(), *content.get("stale", ())):
            Step.from_json(step, path)
        return SavedPlan(
            content["key"], steps, content["store"], tuple(content.get("stale", ())), tuple(content.get("earlier", ()))
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise CorruptData(f"{path} is damaged ({error!r}). {advice}") from error


def _remove(stale: Sequence[JsonObject], store: str) -> list[str]:
    """Remove the results of steps, the last first; return sentences for those that were not removed."""
    remaining = []
    for data in reversed(stale):
        step = Step.from_json(data)
        try:
            remove_outputs(step, store)
        except (UnknownName, PluginError) as error:
            remaining.append(
                f"the results of step {step.name} were not removed, since its tool cannot be loaded: {error}"
            )
        try:
            remove_folder(step, store)
        except StoreError as error:
            remaining.append(f"the intermediate data of step {step.name} were not removed: {error}")
    return remaining
