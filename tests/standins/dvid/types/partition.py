"""Cubes of blocks that cover an ROI, arranged as in DVID: rows of cubes centred on its blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from standins.dvid.calls import Xyz

Span = tuple[int, int, int, int]
"""z, y, first x, last x, in blocks."""
EMPTY_Z = (1 << 31) - 1, -(1 << 31)
"""First and last layer of an empty ROI."""


def partition(spans: Sequence[Span], batch: int, block: Xyz) -> dict[str, Any]:
    """Cover runs of blocks with cubes.

    Parameters
    ----------
    spans : sequence of (z, y, first x, last x)
        The runs, sorted.
    batch : int
        Number of blocks of a cube along an axis.
    block : (x, y, z)
        Block size in voxels.

    Returns
    -------
    dict
        JSON of ``GET partition``.
    """
    rows = [row for first, layer in _layers(spans, batch) for row in _rows(first, layer, batch)]
    cubes = [cube for corner, row in rows for cube in _cubes(corner, row, batch, block)]
    return {
        "NumTotalBlocks": sum(cube["TotalBlocks"] for cube in cubes),
        "NumActiveBlocks": sum(cube["ActiveBlocks"] for cube in cubes),
        "NumSubvolumes": sum(cube["ActiveBlocks"] > 0 for cube in cubes),
        "ROI": bounds(spans),
        "Subvolumes": [cube for cube in cubes if cube["ActiveBlocks"]],
    }


def bounds(spans: Sequence[Span]) -> dict[str, list[int]]:
    """Return the bounds of runs; those in x and y include 0."""
    if not spans:
        return {"MinChunk": [0, 0, EMPTY_Z[0]], "MaxChunk": [0, 0, EMPTY_Z[1]]}
    z, y, first, last = zip(*spans, strict=True)
    low, high = [min(0, *first), min(0, *y), min(z)], [max(0, *last), max(0, *y), max(z)]
    return {"MinChunk": low, "MaxChunk": high}


def _centre(first: int, last: int, batch: int) -> range:
    left = (last - first + 1) % batch
    before = left // 2
    return range(first - before, last + left - before + 1, batch)


def _layers(spans: Sequence[Span], batch: int) -> Iterator[tuple[int, list[Span]]]:
    if not spans:
        return
    first = _centre(spans[0][0], spans[-1][0], batch)[0]
    layer: list[Span] = []
    for span in spans:
        if span[0] >= first + batch:
            yield first, layer
            first, layer = first + batch, []
        layer.append(span)
    yield first, layer


def _rows(first_z: int, layer: list[Span], batch: int) -> Iterator[tuple[tuple[int, int], list[Span]]]:
    rows_y = [y for _, y, _, _ in layer]
    for first in _centre(min(rows_y, default=0), max(rows_y, default=0), batch):
        row = [span for span in layer if first <= span[1] < first + batch]
        if row:
            yield (first, first_z), row


def _cubes(corner: tuple[int, int], row: list[Span], batch: int, block: Xyz) -> Iterator[dict[str, Any]]:
    for x in _centre(min(span[2] for span in row), max(span[3] for span in row), batch):
        active = sum(max(0, min(last, x + batch - 1) - max(first, x) + 1) for _, _, first, last in row)
        first = x, *corner
        yield box(first, [n + batch - 1 for n in first], (batch**3, active), block)


def box(first: Sequence[int], last: Sequence[int], counts: tuple[int, int], block: Xyz) -> dict[str, Any]:
    """Return the JSON of a box from a first to a last block; `counts` are its total and active blocks."""
    return {
        "MinPoint": [n * b for n, b in zip(first, block, strict=True)],
        "MaxPoint": [(n + 1) * b - 1 for n, b in zip(last, block, strict=True)],
        "MinChunk": list(first),
        "MaxChunk": list(last),
        "TotalBlocks": counts[0],
        "ActiveBlocks": counts[1],
    }
