"""The coarser levels of an array, each a step of its own."""

from __future__ import annotations

from collections.abc import Iterator

from voxome.blocks.step import Step
from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.levels import coarser
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.geometry import Box
from voxome.registry import load
from voxome.resources.coarsening import Method, halving

COARSEST = 128
"""Levels are added until no axis is longer than this."""
METHODS: dict[str, Method] = {"labels": "mode", "image": "mean", "probability": "mean"}
"""How voxels of each kind are combined."""


def pyramid_steps(name: str, stem: str, handle: Handle, spec: VolumeSpec, home: str) -> Iterator[Step]:
    """Yield the steps that create the levels of a published array, each from the one before.

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
    digest = load("voxome.tools", "common.downsample").digest
    chunk = spec.write_chunk or (64,) * spec.domain.ndim
    box, level = handle.region or spec.frame, 0
    while max(spec.frame.shape) > COARSEST:
        level, factors = level + 1, halving(spec.voxel_size_nm)
        z, y, x = (f * chunk[axis] for f, axis in zip(factors, spec.spatial, strict=True))
        finer = handle.uri + (f"?level={level - 1}" if level > 1 else "")
        source = Handle(handle.type, finer, f"{handle.key}/{level - 1}")
        yield Step(
            f"{name}.level{level}",
            "common.downsample",
            "1",
            {"method": METHODS[spec.kind], "factors": ",".join(map(str, factors))},
            {"image": source},
            Frame(_aligned(spec.frame, factors), box, spec.voxel_size_nm, spec.offset_nm),
            (z, y, x),
            home,
            {"result": f"{stem}?level={level}"},
            digest=digest,
        )
        spec, box = coarser(spec, factors), box.coarsen(factors)


def _aligned(domain: Box, factors: Scale) -> Box:
    """Return the domain, extended to multiples of `factors`, so that no voxel of the next level is in two blocks."""
    return Box(tuple(a // f * f for a, f in zip(domain.start, factors, strict=True)), domain.stop)
