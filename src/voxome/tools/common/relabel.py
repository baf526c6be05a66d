"""Relabelling by a table."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.errors import CorruptData
from voxome.resources.table import TableFile


@tool("common.relabel", outputs=kinds.Labels(), memory=memory_of(156_000_000, 44))
def relabel(
    labels: Annotated[NDArray[np.uint64], kinds.Labels()],
    lookup: Annotated[TableFile, kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",))],
    *,
    keep: bool = False,
) -> NDArray[np.uint64]:
    """Replace labels according to a table.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        Labels; 0 stays 0.
    lookup : table
        Old (``id``) and new (``label``) labels, sorted by id; only rows of labels in the block are read.
    keep : bool
        Keep labels that are not in the table, instead of raising an error.

    Returns
    -------
    (z, y, x) array of uint64
    """
    present, inverse = np.unique(labels, return_inverse=True)
    rows = lookup.lookup("id", present)
    position = np.searchsorted(rows["id"], present)
    known = position < len(rows["id"])
    known[known] = rows["id"][position[known]] == present[known]
    if not keep and not (known | (present == 0)).all():
        missing = present[~known & (present != 0)]
        raise CorruptData(f"{len(missing)} labels, such as {missing[0]}, are not in the table {lookup.path}")
    target = present.copy()
    target[known] = rows["label"][position[known]]
    target[present == 0] = 0
    return target[inverse].reshape(labels.shape)
