"""The coarser levels of an array, each a step of its own."""

from __future__ import annotations

from collections.abc import Iterator

from voxome.blocks.outputs import scaled_box
from voxome.blocks.step import Step
from voxome.contracts.handle import Handle
from voxome.contracts.tool import Frame
from voxome.contracts.volume import VolumeSpec
from voxome.geometry import Box
from voxome.resources.coarsening import Method

COARSEST = 128
"""Levels are added until no axis is longer than this."""
_HALF = (2, 2, 2)
METHODS: dict[str, Method] = {"labels": "mode", "image": "mean", "probability": "mean"}
"""How voxels of each kind are combined."""


def level_count(shape: tuple[int, ...]) -> int:
    """How many levels an array of `shape` (z, y, x) has, itself included."""
    count, longest = 1, max(shape)
    while longest > COARSEST:
        longest, count = -(-longest // 2), count + 1
    return count


def pyramid_steps(name: str, stem: str, handle: Handle, spec: VolumeSpec, home: str) -> Iterator[Step]:
    """The steps that make the levels of the published array `stem`, each after the one before.

    Parameters
    ----------
    name : str
        Of the array, to call the steps by.
    stem : str
        Its path under the store, without extension.
    handle : Handle
        Level 0.
    spec : VolumeSpec
        Of level 0.
    home : str
        The folder of the steps' folders.
    """
    chunk = spec.write_chunk or (64,) * spec.domain.ndim
    edges = [2 * chunk[place] for place in spec.spatial]
    frame, box = spec.frame, handle.asked or spec.frame
    size, offset = spec.voxel_size_nm, spec.offset_nm
    for level in range(1, level_count(frame.shape)):
        source = Handle(
            "volume", handle.uri + (f"?level={level - 1}" if level > 1 else ""), f"{handle.key}/{level - 1}"
        )
        yield Step(
            f"{name}.level{level}",
            "common.downsample",
            "1",
            {"method": METHODS[spec.kind]},
            {"image": source},
            Frame(_even(frame), box, size, offset),
            (edges[0], edges[1], edges[2]),
            home,
            {"result": f"{stem}.zarr?level={level}"},
        )
        frame, box = scaled_box(frame, _HALF), scaled_box(box, _HALF)
        if size is not None:
            offset = (offset[0] + size[0] / 2, offset[1] + size[1] / 2, offset[2] + size[2] / 2)
            size = (2 * size[0], 2 * size[1], 2 * size[2])


def _even(domain: Box) -> Box:
    """The domain from even indices on: no voxel of the next level then lies in two blocks."""
    return Box(tuple(a // 2 * 2 for a in domain.start), domain.stop)
