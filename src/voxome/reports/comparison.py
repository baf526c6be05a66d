"""Two volumes compared voxel by voxel, in blocks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from voxome.contracts.placement import are_placed, placement_problem
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.resources.unfinished import require_finished
from voxome.resources.volume import Volume

_LOG = logging.getLogger(__name__)
BLOCK = (64, 256, 256)


def compared_boxes(volumes: Sequence[Volume], box: Box | str | None, *, force: bool) -> Iterator[Box]:
    """Yield the boxes of the blocks in which a result is compared with the truth.

    Parameters
    ----------
    volumes : (truth, result)
        Volumes (z, y, x).
    box : Box or str, optional
        In store coordinates; a text may leave out ends, which are those of the truth. By default what both volumes
        share, with a warning if that is not all, if their voxel sizes are known; or else all of both, which must then
        span the same voxels.
    force : bool
        Whether to accept what an interrupted run has not finished.

    Raises
    ------
    InvalidInput
        If one is not finished, or the two do not match: voxel sizes and offsets must be equal.
    """
    for volume in volumes:
        require_finished(volume.reveal_uri(), force=force)
    specs = [volume.spec for volume in volumes]
    if problem := placement_problem("the truth", specs[0], "the result", specs[1]):
        raise InvalidInput(problem)
    domains = [spec.domain for spec in specs]
    shared = domains[0] & domains[1]
    if box is None and domains[0] != domains[1] and (shared.empty or not are_placed(*specs)):
        raise InvalidInput(
            f"the truth spans {domains[0]}, but the result {domains[1]}; give the box to compare with box= (--box)"
        )
    if box is None and domains[0] != domains[1]:
        _LOG.warning(
            "The truth spans %s, but the result %s: only what both have, %s, is scored, %.0f %% of the truth",
            *domains, shared, 100 * shared.size / domains[0].size,
        )  # fmt: skip
    box = shared if box is None else Box.of(box, domains[0])
    for volume in volumes:
        if box.ndim != 3 or box.empty or box not in volume.domain:
            raise InvalidInput(f"the box {box} is empty or not inside the domain {volume.domain} of {volume.uri}")
    return (block.write for block in BlockGrid(box, BLOCK))
