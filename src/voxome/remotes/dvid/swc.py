"""Skeletons in FlyEM's form of SWC: in voxels, with the last edit of the body in a comment."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from voxome.contracts.shapes import Skeleton
from voxome.remotes.swc_format import parse_swc

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
    table, size = parse_swc(text, what), np.asarray(voxel_size_nm, np.float64)
    return Skeleton(
        nodes_nm=(table.xyz[:, ::-1] + 0.5) * size,
        radii_nm=table.radii * np.prod(size) ** (1 / 3),
        edges=table.edges,
        attributes={"swc_type": table.types},
    )


def swc_mutation_id(text: str) -> int | None:
    """Return the last edit before a skeleton was computed, from a comment ``#${"mutation id": 7}``; None if missing."""
    for line in text.splitlines():
        if not line.startswith("#"):
            continue
        try:
            comment = json.loads(line.lstrip("#").lstrip().removeprefix("$"))
        except (ValueError, RecursionError):
            continue
        if isinstance(comment, dict) and isinstance(comment.get(_MUTATION), int):
            return int(comment[_MUTATION])
    return None
