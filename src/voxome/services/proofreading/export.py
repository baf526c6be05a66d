"""Export of the chunks of a segmentation that edits have changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.downsampling import Method
from voxome.contracts.levels import require_scale
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import Scale
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.cast import exact_values
from voxome.resources.provenance import read_provenance
from voxome.services.proofreading.scan import CHUNK, chunk_box
from voxome.services.proofreading.state import State
from voxome.services.proofreading.store import ProofreadingStore
from voxome.services.proofreading.voxel_split import root_of
from voxome.tools.common.cells.methods import downsample_array

ScaledLevel = tuple[VolumeSource, Scale]
"""A coarser level, and its scale."""


def changed_supervoxels(before: State, after: State) -> dict[int, tuple[int, int]]:
    """Return the supervoxels whose segment differs between two states: before and after; 0: does not exist."""
    numbers = [{one.number for one in state.log.entries} for state in (before, after)]
    moved = {
        supervoxel
        for state in (before, after)
        for one in state.log.entries
        if one.number not in numbers[0] & numbers[1]
        for supervoxel in one.changes.moves[:, 0].tolist()
    }
    pairs = {one: (before.mapping.segment_of(one), after.mapping.segment_of(one)) for one in sorted(moved)}
    return {one: pair for one, pair in pairs.items() if pair[0] != pair[1]}


def changed_boxes(store: ProofreadingStore, before: State, after: State) -> list[Box]:
    """Return the boxes of the chunks that have a supervoxel whose segment differs between two states."""
    roots = {
        root_of(state.tree, id)
        for one in changed_supervoxels(before, after)
        for state in (before, after)
        for id in state.mapping.stored_ids(one)
    }
    return [chunk_box(number, store.domain, CHUNK) for number in store.chunks_of(roots)]


def update_volume(
    source: VolumeSource,
    target: VolumeSource,
    boxes: Iterable[Box],
    name: str,
    begin: Callable[[], None] = lambda: None,
) -> int:
    """Write what differs in some boxes into a volume, and into its coarser levels.

    The coarser levels are compared too, as an interrupted call may have written the finest one only.

    Parameters
    ----------
    source : VolumeSource
        Segments.
    target : VolumeSource
        Volume of the same domain, open for writing.
    boxes : iterable of Box
        What may differ.
    name : str
        The volume, for messages.
    begin : callable
        Called when everything is checked, before anything is written.

    Returns
    -------
    int
        Number of chunks of its finest level that were written.

    Raises
    ------
    InvalidInput
        If it has another domain, a value does not fit its dtype, or a level cannot be computed.
    """
    if source.spec.domain != target.spec.domain:
        raise InvalidInput(
            f"{name} has the domain {target.spec.domain}, the segments have {source.spec.domain}; export them whole"
        )
    pyramid = ability(target, SupportsLevels)
    levels = [] if pyramid is None else pyramid.levels
    scales = [require_scale(name, levels, number) for number in range(1, len(levels))]
    begin()
    cells, count = _cells(target, boxes), 0
    for cell in cells:
        voxels = exact_values(source.read(cell), target.spec.dtype)
        if not np.array_equal(voxels, target.read(cell)):
            target.write(cell, np.ascontiguousarray(voxels, target.spec.dtype))
            count += 1
    if pyramid is not None:
        _update_levels(target, [(pyramid.level(number), scale) for number, scale in enumerate(scales, 1)], cells)
    return count


def _rule(target: VolumeSource) -> tuple[Method, float | int | None]:
    """Return the method of the levels of a volume, and the value that does not count, by what has made them."""
    makers = [one for one in read_provenance(target) if one.service in ("downsample", "transfer")]
    made = makers[-1].parameters if makers else {}
    return made.get("method", "mode"), made.get("no_data")


def _update_levels(finest: VolumeSource, levels: Sequence[ScaledLevel], boxes: Sequence[Box]) -> None:
    """Update levels in some boxes as `voxome.downsample` and transfers compute them: from the finest voxels."""
    method, no_data = _rule(finest)
    for coarse, scale in levels:
        parts = defaultdict(list)
        for box in boxes:
            touched = box.coarsen(scale) & coarse.spec.domain
            for cell in _cells(coarse, [touched]):
                parts[cell].append(touched & cell)
        for cell, changed in parts.items():
            before = coarse.read(cell)
            voxels = np.array(before)
            for part in changed:
                fine = part.refine(scale) & finest.spec.domain
                voxels[part.within(cell)] = downsample_array(finest.read(fine), fine, scale, method, no_data)
            if not np.array_equal(voxels, before):
                coarse.write(cell, voxels)


def _cells(target: VolumeSource, boxes: Iterable[Box]) -> list[Box]:
    """Return the pieces that several processes may write at once, of all boxes, each once."""
    domain = target.spec.domain
    grid = target.spec.write_chunk or (CHUNK,) * 3
    indices = set()
    for box in boxes:
        ends = zip(box.start, box.stop, domain.start, grid, strict=True)
        indices |= set(product(*(range((a - low) // n, -((low - b) // n)) for a, b, low, n in ends)))
    corners = (tuple(low + i * n for low, i, n in zip(domain.start, at, grid, strict=True)) for at in sorted(indices))
    return [Box.of_shape(grid, corner) & domain for corner in corners]
