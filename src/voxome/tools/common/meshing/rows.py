"""Pieces of meshes as rows of a table of groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxome.contracts.kinds import Rows
from voxome.tools.common.meshing.surface import Piece
from voxome.tools.common.piece_columns import bytes_column

PIECES = {
    "id": "uint64",
    "start_z": "int64",
    "start_y": "int64",
    "start_x": "int64",
    "voxels": "int64",
    "vertices": "bytes",
    "faces": "bytes",
    "borders": "bytes",
}
"""Columns of the fields of `Piece`; arrays are little-endian, in C order."""
_VERTICES, _INDICES = np.dtype("<u2"), np.dtype("<u4")


def rows_of(pieces: Sequence[Piece]) -> Rows:
    """Return a row for each piece."""
    starts = np.array([piece.start for piece in pieces], np.int64).reshape(-1, 3)
    return {
        "id": np.array([piece.id for piece in pieces], np.uint64),
        "start_z": starts[:, 0],
        "start_y": starts[:, 1],
        "start_x": starts[:, 2],
        "voxels": np.array([piece.voxels for piece in pieces], np.int64),
        "vertices": bytes_column([piece.vertices.astype(_VERTICES).tobytes() for piece in pieces]),
        "faces": bytes_column([piece.faces.astype(_INDICES).tobytes() for piece in pieces]),
        "borders": bytes_column([piece.borders.astype(_INDICES).tobytes() for piece in pieces]),
    }


def pieces_of(rows: Rows) -> list[Piece]:
    """Return the piece of each row."""
    starts = np.stack([rows["start_z"], rows["start_y"], rows["start_x"]], axis=1).tolist()
    return [
        Piece(
            int(rows["id"][row]),
            (z, y, x),
            int(rows["voxels"][row]),
            np.frombuffer(rows["vertices"][row], _VERTICES).reshape(-1, 3),
            np.frombuffer(rows["faces"][row], _INDICES).reshape(-1, 3),
            np.frombuffer(rows["borders"][row], _INDICES),
        )
        for row, (z, y, x) in enumerate(starts)
    ]
