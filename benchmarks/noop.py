"""Tools that do nothing, and a worker that knows them: ``python benchmarks/noop.py`` takes jobs as our own does."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.blocks.worker import serve
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.registry import BUILT_IN
from voxome.resources.rows import empty_rows

_COLUMNS = {"id": "uint64"}
_ROWS = kinds.Table(_COLUMNS, key=("id",))


@tool("bench.nothing", outputs=_ROWS)
def nothing(*, block: BlockContext) -> kinds.Rows:
    """Read nothing, emit no rows: what is left is the blocks themselves."""
    del block
    return empty_rows(_COLUMNS)


@tool("bench.read", outputs=_ROWS)
def read(image: Annotated[NDArray[np.uint8], kinds.Image()]) -> kinds.Rows:
    """Have the block read, emit no rows."""
    del image
    return empty_rows(_COLUMNS)


@tool("bench.copy", outputs=kinds.Image("uint8"))
def copy(image: Annotated[NDArray[np.uint8], kinds.Image()]) -> NDArray[np.uint8]:
    """Have the block read, and written as it is."""
    return image


def register() -> None:
    """Make the tools known to this process."""
    BUILT_IN["voxome.tools"] |= {f"bench.{name}": f"noop:{name}" for name in ("nothing", "read", "copy")}


if __name__ == "__main__":
    register()
    serve()
