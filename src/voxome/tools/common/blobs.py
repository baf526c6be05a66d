"""Cells from peaks: the best ones that are far enough from each other."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.blob_peaks import PEAKS
from voxome.tools.common.scale_space.suppression import keep_best

_COPIED = ("z_nm", "y_nm", "x_nm", "radius_nm", "score", "touches_face", "at_range_end")
BLOBS = kinds.Table({"id": "uint64"} | {name: PEAKS.columns[name] for name in _COPIED}, key=("id",))


def _memory(rows: int, _: object) -> int:
    return 250_000_000 + 200 * rows


@tool("common.blobs", scope="whole", outputs=BLOBS, memory=_memory)
def blobs(peaks: Annotated[TableFile, PEAKS], *, spacing: Annotated[float, Ge(0)] = 1.0) -> Rows:
    """Keep the peaks with the highest contrast that are not too close to a better one that is kept.

    Parameters
    ----------
    peaks : table
        Peaks of all blocks, from ``common.blob_peaks``.
    spacing : float
        Least distance of two cells, as a multiple of the larger radius.

    Returns
    -------
    table
        ``id``, from 1 in the order of positions (z, y, x), and the columns of `peaks` but voxels.
    """
    rows = peaks.read()
    places = np.stack([rows[f"{axis}_nm"] for axis in "zyx"], axis=-1).astype(np.float64)
    kept = keep_best(places, rows["radius_nm"], rows["score"], spacing)
    kept = kept[np.lexsort(places[kept].T[::-1])]
    return {"id": np.arange(1, len(kept) + 1, dtype=np.uint64), **{name: rows[name][kept] for name in _COPIED}}
