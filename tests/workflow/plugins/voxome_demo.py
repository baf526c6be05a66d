"""Somebody else's package: a tool whose parameters are called as the host's own options are."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool


@tool("demo.names", outputs=kinds.Image("uint8"))
def names(
    image: Annotated[NDArray[Any], kinds.Image()],
    *,
    block: Annotated[int, Interval(ge=0, le=9)] = 0,
    store: str = "",
    workers: float = 0.0,
    region: bool = False,
    level: int = 0,
    name: str = "",
    help: str = "",
    tool_level: int = 0,
    where: BlockContext,
) -> NDArray[np.uint8]:
    """Fill a block with the sum of the parameters.

    Parameters
    ----------
    image : (z, y, x) array
        Any dtype.
    block : int
        A number of its own.
    """
    texts = len(store) + len(name) + len(help)
    total = block + texts + int(workers) + int(region) + level + tool_level
    return np.full(where.write.shape, total, np.uint8)
