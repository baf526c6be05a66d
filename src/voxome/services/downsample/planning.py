"""The passes that fill the levels of a pyramid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from voxome.config.settings import settings
from voxome.contracts.downsampling import Method
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.geometry import Box
from voxome.services.downsample.levels import spatial_chunk
from voxome.services.downsample.passes import TILE_CELLS, TILE_VOXELS, Assembly, Pass, tile_shape
from voxome.services.transfer.copy import block_shape

_CELL_VOXELS = 512
"""Voxels of its source in a cell of the last level of a pass, at most: what is kept for the next is that much less."""
_MAX_TILES = 4
"""Voxels of 1 or 2 bytes are combined in so many times as large tiles as those of 8."""
_MAX_UNIT = 8
"""Blocks grow to so many chunks, along an axis, to hold complete cells of all levels of a pass."""


def plan_passes(
    *,
    source: str,
    target: str,
    scratch: str,
    spec: VolumeSpec,
    levels: Mapping[int, VolumeSpec],
    scales: Sequence[Scale],
    method: Method,
    no_data: float | int | None,
    ids: bool,
) -> list[Pass]:
    """Return the passes that compute levels, each from the cells of the one before.

    Parameters
    ----------
    source, target, scratch : str
        Level 0, the volume with the levels, and the folder for pieces.
    spec : VolumeSpec
        Spec of level 0.
    levels : mapping of int to VolumeSpec
        Specs of the levels to fill, by number.
    scales : sequence of (z, y, x)
        Scales of all levels, the finest included.
    method, no_data, ids
        See `Pass`.
    """
    groups, passes = _groups(scales), list[Pass]()
    for group in groups:
        earlier = passes[-1] if passes else None
        before = scales[earlier.levels[-1]] if earlier else (1, 1, 1)
        first, last = levels[group[0]], scales[group[-1]]
        ratio = _ratio(scales[group[0]], before)
        read_chunk = spatial_chunk(spec, spec.read_chunk) if earlier is None else (1, 1, 1)
        passes.append(
            Pass(
                domain=str(first.domain),
                box=str(_filled(spec, first, scales[group[0]])),
                block=_block(
                    first, _ratio(last, scales[group[0]]), [-(-c // r) for c, r in zip(read_chunk, ratio, strict=True)]
                ),
                source=source,
                target=target,
                scratch=scratch,
                levels=tuple(group),
                scales=tuple(scales[level] for level in group),
                earlier=earlier,
                voxels=str(spec.domain),
                spatial=spec.spatial,
                tile=tile_shape(_ratio(last, before), (1, 1, 1), TILE_CELLS)
                if earlier
                else tile_shape(last, _tile_chunk(first, ratio, read_chunk), _tile_voxels(spec, method)),
                dtype=spec.dtype.name,
                method=method,
                no_data=no_data,
                keep=group is not groups[-1],
                ids=ids,
            )
        )
    return passes


def plan_assemblies(
    one: Pass, spec: VolumeSpec, levels: Mapping[int, VolumeSpec], scales: Sequence[Scale]
) -> list[Assembly]:
    """Return the assemblies of those levels that a pass does not write itself."""
    return [
        Assembly(
            domain=str(levels[level].domain),
            box=str(_filled(spec, levels[level], scales[level])),
            block=_block(levels[level], (1, 1, 1), (1, 1, 1)),
            level=level,
            made_by=one,
        )
        for level in one.levels[1:]
    ]


def _groups(scales: Sequence[Scale]) -> list[list[int]]:
    """Return the numbers of the levels of each pass."""
    groups: list[list[int]] = []
    before = scales[0]
    for level in range(1, len(scales)):
        if groups and math.prod(_ratio(scales[level], before)) <= _CELL_VOXELS:
            groups[-1].append(level)
            continue
        if groups:
            before = scales[level - 1]
        groups.append([level])
    return groups


def _tile_voxels(spec: VolumeSpec, method: Method) -> int:
    """Return how many voxels to combine at a time: of small ones more, unless each may need an entry of a histogram."""
    return TILE_VOXELS if method == "mode" else TILE_VOXELS * max(1, min(_MAX_TILES, 8 // spec.dtype.itemsize))


def _tile_chunk(first: VolumeSpec, ratio: Sequence[int], read_chunk: Sequence[int]) -> list[int]:
    """Return how many voxels of level 0 make whole chunks of it and of the level that is written.

    Parts of a chunk that are written one after the other cost much more than a whole one.
    """
    written = [n * r for n, r in zip(spatial_chunk(first, first.read_chunk), ratio, strict=True)]
    return [math.lcm(a, b) if math.lcm(a, b) <= 2 * max(a, b) else b for a, b in zip(read_chunk, written, strict=True)]


def _ratio(coarse: Scale, fine: Scale) -> Scale:
    z, y, x = (a // b for a, b in zip(coarse, fine, strict=True))
    return z, y, x


def _filled(spec: VolumeSpec, level: VolumeSpec, scale: Scale) -> Box:
    """Return the part of a level that level 0, or the part of it in `spec`, covers."""
    return level.domain & spec.lift(spec.frame.coarsen(scale))


def _block(level: VolumeSpec, ratio: Sequence[int], read_chunk: Sequence[int]) -> tuple[int, ...]:
    """Return a block shape of whole write chunks that, if possible, holds whole cells `ratio` times as coarse."""
    chunk = level.write_chunk or (1,) * level.domain.ndim
    cells, reads = list(chunk), [1] * len(chunk)
    for axis, n, read in zip(level.spatial, ratio, read_chunk, strict=True):
        unit = math.lcm(chunk[axis], n)
        cells[axis] = unit if unit <= max(_MAX_UNIT * chunk[axis], n) else chunk[axis] * -(-n // chunk[axis])
        reads[axis] = read
    size = settings().transfer_block_bytes // 2
    return block_shape(cells, level.domain.shape, level.dtype.itemsize, reads, size)
