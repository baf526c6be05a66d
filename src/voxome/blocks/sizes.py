"""Estimates of what the blocks of a step read, and of the memory that one takes."""

from __future__ import annotations

import math

from voxome.blocks.step import Step
from voxome.contracts.tool import memory_of

_DEFAULT = memory_of(156_000_000, 24)
"""Memory of a tool without an estimate: of a process that imports numpy and tensorstore, and of each voxel read."""


def block_voxels(step: Step) -> int | None:
    """Return the voxels of one block with its halo; None for a step without blocks."""
    if step.phases[0] is None or step.frame is None or step.spec.scope == "groups":
        return None
    low, high = step.spec.compute_halo(step.parameters, step.frame.scale_nm)
    sides = zip(step.block, low, high, step.frame.box.shape, step.frame.domain.shape, strict=True)
    return math.prod(min(min(n, inside) + a + b, all_) for n, a, b, inside, all_ in sides)


def block_memory_bytes(step: Step) -> int | None:
    """Return the estimated peak memory of one block in bytes; None where that depends on the objects in the data."""
    voxels = block_voxels(step)
    if voxels is None:
        return None
    return (step.spec.memory or _DEFAULT)(voxels, step.parameters)
