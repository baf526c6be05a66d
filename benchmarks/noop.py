"""Tools that do nothing, and a worker for them: ``python benchmarks/noop.py`` takes jobs as voxome's worker does."""

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
    """Read nothing and emit no rows, to measure the blocks themselves."""
    del block
    return empty_rows(_COLUMNS)


@tool("bench.read", outputs=_ROWS)
def read(image: Annotated[NDArray[np.uint8], kinds.Image()]) -> kinds.Rows:
    """Read the block and emit no rows."""
    del image
    return empty_rows(_COLUMNS)


@tool("bench.copy", outputs=kinds.Image("uint8"))
def copy(image: Annotated[NDArray[np.uint8], kinds.Image()]) -> NDArray[np.uint8]:
    """Read the block and write it unchanged."""
    return image


def register() -> None:
    """Register the tools in this process."""
    BUILT_IN["voxome.tools"] |= {f"bench.{name}": f"noop:{name}" for name in ("nothing", "read", "copy")}


if __name__ == "__main__":
    register()
    serve()
