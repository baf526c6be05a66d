"""Skeletons in FlyEM's form of SWC: in voxels, with the last edit of the body in a comment."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from voxome.contracts.shapes import Skeleton
from voxome.errors import CorruptData

_MUTATION = "mutation id"


def decode_swc(text: str, voxel_size_nm: Sequence[float], what: str) -> Skeleton:
    """Decode a skeleton from SWC: one line ``id kind x y z radius parent`` per node, parent -1 for a root.

    A node of voxel i is put at its centre, ``(i + 1/2) * voxel_size_nm``.

    Parameters
    ----------
    text : str
        Content of the file, in voxels; a radius of 0 or less means unknown.
    voxel_size_nm : (z, y, x)
        Voxel size; radii are scaled by its geometric mean.
    what : str
        Beginning of error messages.

    Raises
    ------
    CorruptData
        If a line does not have seven numbers, an id occurs twice, or a parent is missing.
    """
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        table = np.array(lines, np.float64).reshape(-1, 7)
    except ValueError as error:
        raise CorruptData(f"{what}: expected lines of seven numbers: {error}") from error
    ids, types, x, y, z, radius, parent = table.T
    size = np.asarray(voxel_size_nm, np.float64)
    parents = _parent_rows(ids.astype(np.int64), parent.astype(np.int64), what)
    children = np.flatnonzero(parents >= 0)
    return Skeleton(
        nodes_nm=(np.column_stack([z, y, x]) + 0.5) * size,
        radii_nm=np.where(radius > 0, radius, np.nan) * np.prod(size) ** (1 / 3),
        edges=np.column_stack([children, parents[children]]),
        attributes={"swc_type": types.astype(np.int64)},
    )


def _parent_rows(ids: np.ndarray, parents: np.ndarray, what: str) -> np.ndarray:
    order = np.argsort(ids)
    if (np.diff(ids[order]) == 0).any():
        raise CorruptData(f"{what}: a node id occurs twice")
    rows = np.full(len(ids), -1, np.int64)
    children = np.flatnonzero(parents >= 0)
    positions = np.searchsorted(ids, parents[children], sorter=order).clip(max=max(len(ids) - 1, 0))
    rows[children] = order[positions] if len(children) else []
    orphans = children[ids[rows[children]] != parents[children]]
    if orphans.size:
        raise CorruptData(f"{what}: node {ids[orphans[0]]} has parent {parents[orphans[0]]}, which is missing")
    return rows


def swc_mutation_id(text: str) -> int | None:
    """Return the last edit before a skeleton was computed, from a comment ``#${"mutation id": 7}``; None if missing."""
    for line in text.splitlines():
        if not line.startswith("#"):
            continue
        try:
            comment = json.loads(line.lstrip("#").lstrip().removeprefix("$"))
        except ValueError:
            continue
        if isinstance(comment, dict) and isinstance(comment.get(_MUTATION), int):
            return int(comment[_MUTATION])
    return None
