"""How large the steps of a plan are."""

from __future__ import annotations

from typing import TypedDict

from voxome.blocks.sizes import block_memory_bytes, block_voxels
from voxome.blocks.step import Step


class StepSizes(TypedDict):
    """The size of a step.

    ``voxels_read`` is None for a step without blocks, ``memory_bytes`` of one job where it depends on the objects in
    the data. ``written_bytes`` is the size of the voxels that it writes, before compression; tables are not counted.
    """

    key: str
    blocks: int
    voxels_read: int | None
    memory_bytes: int | None
    written_bytes: int


def sizes(step: Step) -> StepSizes:
    """Return the size of a step."""
    grid, voxels = step.phases[0], block_voxels(step)
    volumes = sum(one.kind.is_volume for one in step.spec.inputs.values() if one.name in step.inputs)
    return {
        "key": step.key,
        "blocks": step.total,
        "voxels_read": None if grid is None or voxels is None else voxels * len(grid) * volumes,
        "memory_bytes": block_memory_bytes(step),
        "written_bytes": _written_bytes(step),
    }


def _written_bytes(step: Step) -> int:
    if step.frame is None:
        return 0
    specs = [kind.output_spec(step.frame, step.block, step.parameters) for kind in step.spec.outputs.values()]
    return sum(spec.domain.size * spec.dtype.itemsize for spec in specs if spec is not None)
