"""Outputs that are written into existing arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from voxome.blocks.step import Step
from voxome.contracts.arguments import require_path
from voxome.contracts.handle import STORE
from voxome.errors import PlanError, UnknownName, VoxomeError


def write_into(step: Step, into: Mapping[str, str], workers: int, *, overwrite: bool = False) -> Step:
    """Return the step with outputs written into existing arrays.

    Two blocks must never share a chunk, or one would undo what the other wrote: the block has to be a multiple of the
    array's write chunk, counted from the start of its domain, which is that of the volumes whatever the box.

    Parameters
    ----------
    step : Step
        As planned.
    into : mapping of str to str
        Output → URI of an array.
    workers : int
        How many processes will write.
    overwrite : bool
        Whether results of other calls, such as meshes, may be replaced.

    Raises
    ------
    PlanError
        If an array does not exist, has another dtype or domain, or the block does not match its chunks, or those of a
        new array; all problems at once, with the nearest block that does.
    """
    problems: list[str] = []
    found: dict[str, str] = {}
    targets = step.spec.outputs
    for name, uri in into.items():
        try:
            if name not in targets:
                raise UnknownName.of(f"{step.tool} output", name, targets)
            found[name] = targets[name].target_uri(require_path(f"into[{name!r}]", uri))
        except VoxomeError as error:
            problems.append(str(error))
    written = replace(step, into=found)
    for kind, target in written.targets(STORE):
        try:
            replacing = replace(target, replacing=overwrite)
            problems += kind.target_problems(replacing, workers) if target.existing else ()
        except VoxomeError as error:
            problems.append(str(error))
    problems = problems or [*_new_array_problems(written)]
    if problems:
        raise PlanError(problems)
    return written


def _new_array_problems(step: Step) -> Iterator[str]:
    """Yield the arrays that cannot be created beside existing ones: blocks would share their chunks.

    The chunks of a new array start at the corner of the box, blocks at that of the existing arrays.
    """
    grid, frame = step.phases[0], step.frame
    if not step.into or grid is None or frame is None:
        return
    corner = frame.box.snap(step.spec.compute_scale(step.parameters)).start
    sides = zip(corner, grid.anchor, grid.block, grid.shape, strict=True)
    if not any((start - first) % length and count > 1 for start, first, length, count in sides):
        return
    for name, kind in step.spec.outputs.items():
        if kind.is_volume and name not in step.into:
            yield (
                f"{name} cannot be created for the box {frame.box}, which starts inside a block of "
                f"{','.join(map(str, grid.block))} counted from {','.join(map(str, grid.anchor))}: write it into an "
                f"existing array too, with --into {name}=URI, or start the box with a block"
            )
