"""Labels sent through a table."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.python_tool import tool
from voxome.errors import CorruptData
from voxome.resources.table import TableFile


@tool("common.relabel", outputs=kinds.Labels())
def relabel(
    labels: Annotated[NDArray[np.uint64], kinds.Labels()],
    lookup: Annotated[TableFile, kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",))],
    *,
    keep: bool = False,
) -> NDArray[np.uint64]:
    """Replace every label by what a table says.

    Parameters
    ----------
    labels : (z, y, x) array of uint64
        0 stays 0.
    lookup : table
        ``id`` and ``label``, sorted by id; only the rows of the block's labels are read.
    keep : bool
        Keep labels that the table does not have; if False they are an error.

    Returns
    -------
    (z, y, x) array of uint64
    """
    found, inverse = np.unique(labels, return_inverse=True)
    rows = lookup.lookup("id", found)
    place = np.searchsorted(rows["id"], found)
    known = place < len(rows["id"])
    known[known] = rows["id"][place[known]] == found[known]
    if not keep and not (known | (found == 0)).all():
        missing = found[~known & (found != 0)]
        raise CorruptData(f"{len(missing)} labels, {missing[0]} for one, are not in the table {lookup.path}")
    target = found.copy()
    target[known] = rows["label"][place[known]]
    target[found == 0] = 0
    return target[inverse].reshape(labels.shape)
