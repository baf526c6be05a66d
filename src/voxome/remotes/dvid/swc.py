"""Skeletons as FlyEM keeps them: SWC text, in voxels, with the edit that they were made after in a comment."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from voxome.contracts.shapes import Skeleton
from voxome.errors import CorruptData

_MUTATION = "mutation id"


def decode_swc(text: str, voxel_size_nm: Sequence[float], what: str) -> Skeleton:
    """A skeleton from SWC: a line a node, ``id kind x y z radius parent``, with parent -1 for a root.

    Parameters
    ----------
    text : str
        The file, in voxels; a radius of 0 or less is unknown.
    voxel_size_nm : (z, y, x)
        Size of a voxel; radii are scaled by its geometric mean.
    what : str
        Begins the messages of errors.

    Raises
    ------
    CorruptData
        If a line has not seven numbers, an id is there twice, or a parent is not there.
    """
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        table = np.array(lines, np.float64).reshape(-1, 7)
    except ValueError as error:
        raise CorruptData(f"{what}: lines of seven numbers were expected: {error}") from error
    ids, types, x, y, z, radius, parent = table.T
    size = np.asarray(voxel_size_nm, np.float64)
    parents = _rows_of(ids.astype(np.int64), parent.astype(np.int64), what)
    children = np.flatnonzero(parents >= 0)
    return Skeleton(
        nodes_nm=np.column_stack([z, y, x]) * size,
        radii_nm=np.where(radius > 0, radius, np.nan) * np.prod(size) ** (1 / 3),
        edges=np.column_stack([children, parents[children]]),
        attributes={"swc_type": types.astype(np.int64)},
    )


def _rows_of(ids: np.ndarray, parents: np.ndarray, what: str) -> np.ndarray:
    order = np.argsort(ids)
    if (np.diff(ids[order]) == 0).any():
        raise CorruptData(f"{what}: a node is there twice")
    rows = np.full(len(ids), -1, np.int64)
    children = np.flatnonzero(parents >= 0)
    places = np.searchsorted(ids, parents[children], sorter=order).clip(max=max(len(ids) - 1, 0))
    rows[children] = order[places] if len(children) else []
    lost = children[ids[rows[children]] != parents[children]]
    if lost.size:
        raise CorruptData(f"{what}: node {ids[lost[0]]} has parent {parents[lost[0]]}, which is not there")
    return rows


def swc_mutation_id(text: str) -> int | None:
    """The edit that a skeleton was made after, from a comment ``#${"mutation id": 7}``; None if there is none."""
    for line in text.splitlines():
        if not line.startswith("#"):
            continue
        try:
            said = json.loads(line.lstrip("#").lstrip().removeprefix("$"))
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get(_MUTATION), int):
            return int(said[_MUTATION])
    return None
