"""Steps of a plan that have to run."""

from __future__ import annotations

from collections.abc import Sequence

from voxome.blocks.runner import is_done
from voxome.blocks.step import Step
from voxome.contracts.records import Ledger


def needed_steps(steps: Sequence[Step], store: str, ledger: Ledger) -> set[str]:
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
        if not complete or not is_done(step, ledger):
            needed.add(step.name)
            read |= {handle.key for handle in step.inputs.values()}
    return needed
