"""Outputs that are written into existing arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from voxome.blocks.step import Step
from voxome.contracts.arguments import require_path
from voxome.contracts.handle import STORE, Handle
from voxome.errors import PlanError, UnknownName, VoxomeError


def write_into(step: Step, into: Mapping[str, str], workers: int) -> Step:
    """Return the step with outputs written into existing arrays.

    Two blocks must never share a chunk, or one would undo what the other wrote: the block has to be a multiple of the
    array's write chunk, counted from the start of its domain.

    Parameters
    ----------
    step : Step
        As planned.
    into : mapping of str to str
        Output → URI of an array.
    workers : int
        How many processes will write.

    Raises
    ------
    PlanError
        If an array does not exist, has another dtype or domain, or the block does not match its chunks; all problems
        at once, with the nearest block that does.
    """
    problems: list[str] = []
    found: dict[str, str] = {}
    targets = {target.name: (kind, target) for kind, target in step.targets(STORE)}
    for name, uri in into.items():
        try:
            if name not in targets:
                raise UnknownName.of(f"{step.tool} output", name, targets)
            kind, target = targets[name]
            found[name] = kind.locate(Handle(kind.type, require_path(f"the array for {name!r}", uri))).uri
            problems += kind.target_problems(replace(target, uri=found[name], existing=True), workers)
        except VoxomeError as error:
            problems.append(str(error))
    if problems:
        raise PlanError(problems)
    return replace(step, into=found)
