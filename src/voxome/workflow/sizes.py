"""How large the steps of a plan are."""

from __future__ import annotations

from typing import Any

from voxome.blocks.sizes import block_memory_bytes, block_voxels
from voxome.blocks.step import Step


def sizes(step: Step) -> dict[str, Any]:
    """Return the size of a step as JSON values.

    Returns
    -------
    dict
        ``key``; ``blocks``; ``voxels_read``, None for a step without blocks; ``memory_bytes`` of one job, None where
        that depends on the objects in the data.
    """
    grid, voxels = step.phases[0], block_voxels(step)
    volumes = sum(one.kind.is_volume for one in step.spec.inputs.values() if one.name in step.inputs)
    return {
        "key": step.key,
        "blocks": step.total,
        "voxels_read": None if grid is None or voxels is None else voxels * len(grid) * volumes,
        "memory_bytes": block_memory_bytes(step),
    }
