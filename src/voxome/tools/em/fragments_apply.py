"""Fragments: the labels of blocks, brought to the same roots everywhere."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext, RegionParts
from voxome.contracts.python_tool import tool
from voxome.tools.em.fragments_join import LOOKUP
from voxome.tools.em.kernels.exits import relabel


@tool("em.fragments_apply", outputs={"fragments": kinds.Labels()})
def fragments_apply(
    basins: Annotated[NDArray[np.uint64], kinds.Labels()],
    lookup: Annotated[RegionParts, LOOKUP],
    *,
    block: BlockContext,
) -> dict[str, NDArray[np.uint64]]:
    """Send the exits of a block through the tables of the regions that hold it, smallest first.

    Parameters
    ----------
    basins : (z, y, x) array of uint64
        What ``em.fragments`` made.
    lookup : tables of regions
        What ``em.fragments_join`` made.

    Returns
    -------
    fragments : (z, y, x) array of uint64
        One place id a fragment, that of its summit.
    """
    rows = (lookup.rows("lookup", n, lookup.index_at(n, block.write.start)) for n in range(1, lookup.levels))
    tables = ((table["id"], table["root"]) for table in rows)
    return {"fragments": relabel(basins, block.write, block.frame.domain, tables)}
