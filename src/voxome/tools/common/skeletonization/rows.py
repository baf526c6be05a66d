"""Pieces of skeletons as rows of a table of groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.tools.common.piece_columns import bytes_column
from voxome.tools.common.skeletonization.pieces import Piece

PIECES = {
    "id": "uint64",
    "voxels": "int64",
    "points": "bytes",
    "depth_nm": "bytes",
    "edges": "bytes",
    "surface": "bytes",
}
"""Columns of the fields of `Piece`; arrays are little-endian, in C order."""
_POINTS, _DEPTH, _EDGES = np.dtype("<i8"), np.dtype("<f4"), np.dtype("<u4")


def rows_of(pieces: Sequence[Piece]) -> Rows:
    """Return a row for each piece."""
    return {
        "id": np.array([piece.id for piece in pieces], np.uint64),
        "voxels": np.array([piece.voxels for piece in pieces], np.int64),
        "points": bytes_column([piece.points.astype(_POINTS).tobytes() for piece in pieces]),
        "depth_nm": bytes_column([piece.depth_nm.astype(_DEPTH).tobytes() for piece in pieces]),
        "edges": bytes_column([piece.edges.astype(_EDGES).tobytes() for piece in pieces]),
        "surface": bytes_column([piece.surface.astype(_POINTS).tobytes() for piece in pieces]),
    }


def pieces_of(rows: Rows) -> list[Piece]:
    """Return the piece of each row."""
    return [
        Piece(
            int(rows["id"][row]),
            int(rows["voxels"][row]),
            np.frombuffer(rows["points"][row], _POINTS).reshape(-1, 3).astype(np.int64),
            np.frombuffer(rows["depth_nm"][row], _DEPTH).astype(np.float32),
            np.frombuffer(rows["edges"][row], _EDGES).reshape(-1, 2).astype(np.int64),
            np.frombuffer(rows["surface"][row], _POINTS).reshape(-1, 3).astype(np.int64),
        )
        for row in range(len(rows["id"]))
    ]
