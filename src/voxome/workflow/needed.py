"""Steps of a plan that have to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voxome.blocks.step import Step


def needed_steps(steps: Sequence[Step], store: str, is_done: Callable[[Step], bool]) -> set[str]:
    """Return the names of the steps that are not done, or whose results or intermediate data are missing.

    Intermediate data count only if a step that runs reads them; `voxome clean` removes them.
    """
    needed: set[str] = set()
    read: set[str] = set()
    for step in reversed(steps):
        complete = all(
            kind.is_complete(target)
            for kind, target in step.targets(store)
            if target.name in step.published or f"{step.key}/{target.name}" in read
        )
        if not complete or not is_done(step):
            needed.add(step.name)
            read |= {handle.key for handle in step.inputs.values()}
    return needed


def removed_data(steps: Sequence[Step], store: str, is_done: Callable[[Step], bool]) -> list[str]:
    """Return sentences for the steps that are done and run again, because data that they have computed are gone."""
    needed = needed_steps(steps, store, is_done)
    lines = []
    for step in steps:
        if step.name not in needed or not is_done(step):
            continue
        keys = {f"{step.key}/{target.name}" for _, target in step.targets(store) if target.name not in step.published}
        readers = [
            other.name
            for other in steps
            if other.name in needed and any(handle.key in keys for handle in other.inputs.values())
        ]
        verb = "reads" if len(readers) == 1 else "read"
        gone = f"its intermediate data, which {' and '.join(readers)} {verb}," if readers else "its results"
        lines.append(f"step {step.name} runs again: {gone} were removed")
    return lines
