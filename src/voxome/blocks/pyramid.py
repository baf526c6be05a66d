"""The coarser levels of an array, one step per level."""

from __future__ import annotations

from collections.abc import Iterator

from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.levels import coarser
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import Tool
from voxome.contracts.uri import Uri, at_level
from voxome.registry import load
from voxome.resources.coarsening import METHODS, halving
from voxome.resources.open import format_traits

COARSEST = 128
"""Levels are added until no axis is longer than this."""


def pyramid_steps(name: str, stem: str, handle: Handle, spec: VolumeSpec, home: str) -> Iterator[Step]:
    """Yield the steps that create the levels of a published array, as if each were computed from level 0.

    Each step but the first takes the sums, or histograms, of the voxels of level 0 that the one before has kept.

    Axes are halved so that voxels become cubes: those of long voxels later (`resources.coarsening.halving`).

    Parameters
    ----------
    name : str
        Name of the array, which begins the names of the steps.
    stem : str
        Its path below the store, without extension.
    handle : Handle
        Handle of level 0.
    spec : VolumeSpec
        Spec of level 0.
    home : str
        Folder that contains the folders of the steps.
    """
    traits = format_traits(Uri.parse(handle.uri).scheme)
    if not traits.creates_levels:
        return
    source = {"image": handle}
    chunk = spec.write_chunk or (traits.chunk_edge,) * spec.domain.ndim
    level = 0
    while max(spec.frame.shape) > COARSEST:
        level, factors = level + 1, halving(spec.voxel_size_nm)
        z, y, x = (f * chunk[axis] for f, axis in zip(factors, spec.spatial, strict=True))
        tool: Tool = load("voxome.tools", "common.level" if level == 1 else "common.next_level")
        parameters = tool.spec.bind({"method": METHODS[spec.kind], "factors": ",".join(map(str, factors))})
        step = Step(
            name=f"{name}.level{level}",
            tool=tool.spec.name,
            version=tool.spec.compute_version(parameters),
            parameters=parameters,
            inputs=source,
            frame=Frame(spec.frame, spec.frame, spec.voxel_size_nm, spec.offset_nm),
            block=(z, y, x),
            home=home,
            published={"result": at_level(stem, level)},
            digest=tool.digest,
        )
        yield step
        source = {"cells": step.output("cells")}
        spec = coarser(spec, factors)
