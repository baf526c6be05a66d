"""Relabelling of blocks with joined fragment ids."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext, RegionParts
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.em.fragments_join import LOOKUP
from voxome.tools.em.kernels.exits import relabel


@tool("em.fragments_apply", outputs={"fragments": kinds.Labels()}, memory=memory_of(113_000_000, 337))
def fragments_apply(
    basins: Annotated[NDArray[np.uint64], kinds.Labels()],
    lookup: Annotated[RegionParts, LOOKUP],
    *,
    block: BlockContext,
) -> dict[str, NDArray[np.uint64]]:
    """Apply joined fragment (supervoxel) ids to each block.

    Parameters
    ----------
    basins : (z, y, x) array of uint64
        Basins from ``em.fragments``.
    lookup : tables of regions
        Lookup tables from ``em.fragments_join``; those of the smallest region come first.

    Returns
    -------
    fragments : (z, y, x) array of uint64
        Fragments, each labelled with the voxel id of its summit.
    """
    rows = (lookup.rows("lookup", n, lookup.index_at(n, block.write.start)) for n in range(1, lookup.levels))
    tables = ((table["id"], table["root"]) for table in rows)
    return {"fragments": relabel(basins, block.write, block.frame.domain, tables)}
