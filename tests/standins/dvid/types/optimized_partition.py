"""Boxes of blocks that cover an ROI, of sizes that skip holes, for ``partition?optimized=true``.

They reproduce the quirks of the real server: a hole extends the previous box, and fails the request if there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from standins.dvid.calls import Refusal, Xyz
from standins.dvid.types.partition import Span, bounds, box

Json = dict[str, Any]


def optimized_partition(spans: Sequence[Span], batch: int, block: Xyz) -> Json:
    """Cover runs of blocks with boxes.

    Parameters
    ----------
    spans : sequence of (z, y, first x, last x)
        The runs, sorted.
    batch : int
        Approximate number of blocks of a box along an axis.
    block : (x, y, z)
        Block size in voxels.

    Returns
    -------
    dict
        JSON of ``GET partition``.
    """
    found: Json = {"NumTotalBlocks": 0, "NumActiveBlocks": 0, "NumSubvolumes": 0, "ROI": bounds(spans)}
    boxes: list[Json] = []
    for z, layer in _layers(spans, batch):
        y = (min(span[1] for span in layer), max(span[1] for span in layer))
        for rows in _cuts(*y, batch):
            actives = [span for span in layer if rows[0] <= span[1] <= rows[1]]
            if actives:
                _row(found, boxes, actives, (rows, z), batch, block)
    return {**found, "NumSubvolumes": len(boxes), "Subvolumes": boxes}


def _layers(spans: Sequence[Span], batch: int) -> Iterator[tuple[tuple[int, int], list[Span]]]:
    if not spans:
        return
    first, last = spans[0][0], spans[0][0] + batch - 1
    left = (spans[-1][0] - spans[0][0] + 1) % batch
    layer: list[Span] = []
    for span in spans:
        if span[0] > last:
            yield (first, last), layer
            first, last, layer = last + 1, last + batch + (left > 0), []
            left = max(0, left - 1)
        layer.append(span)
    yield (first, last), layer


def _cuts(low: int, high: int, batch: int) -> Iterator[tuple[int, int]]:
    left = (high - low + 1) % batch
    while low <= high:
        last = low + batch - 1 + (left > 0)
        left = max(0, left - 1)
        yield low, last
        low = last + 1


def _row(
    found: Json,
    boxes: list[Json],
    actives: list[Span],
    across: tuple[tuple[int, int], tuple[int, int]],
    batch: int,
    block: Xyz,
) -> None:
    (y, y_last), (z, z_last) = across
    x, end = min(span[2] for span in actives), max(span[3] for span in actives)
    left = (end - x + 1) % batch
    while x <= end:
        last = x + batch - 1 + (left > 0)
        left = max(0, left - 1)
        hole = _hole(actives, x, last)
        total = active = 0
        if hole is None or hole[0] > x:
            corner = (last if hole is None else hole[0] - 1, y_last, z_last)
            total = math.prod(b - a + 1 for a, b in zip((x, y, z), corner, strict=True))
            active = sum(max(0, min(span[3], corner[0]) - max(span[2], x) + 1) for span in actives)
            if hole is None:
                boxes.append(box((x, y, z), corner, (total, active), block))
            else:
                _extend_last(boxes, corner, (total, active), block)
        found["NumTotalBlocks"] += total
        found["NumActiveBlocks"] += active
        x = (last if hole is None else hole[1]) + 1


def _extend_last(boxes: list[Json], corner: Xyz, counts: tuple[int, int], block: Xyz) -> None:
    if not boxes:
        raise Refusal("runtime error: index out of range [-1]", 500, bare=True)
    last = boxes[-1]
    last["MaxPoint"] = [n * b for n, b in zip(corner, block, strict=True)]
    last["MaxChunk"] = list(corner)
    last["TotalBlocks"] += counts[0]
    last["ActiveBlocks"] += counts[1]


def _hole(actives: list[Span], low: int, high: int) -> tuple[int, int] | None:
    """Return the first of the longest ranges of x from low to high that no span covers."""
    used = {x for span in actives for x in range(max(span[2], low), min(span[3], high) + 1)}
    best, start = None, low
    for x in range(low, high + 2):
        if x in used or x > high:
            if x > start and (best is None or x - start > best[1] - best[0] + 1):
                best = start, x - 1
            start = x + 1
    return best
