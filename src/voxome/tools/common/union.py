"""Objects from components that touch."""

from __future__ import annotations

from typing import Annotated

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.components import union as joined
from voxome.tools.common.touching import PAIRS


@tool(
    "common.union",
    scope="whole",
    outputs={"lookup": kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",))},
)
def union(pairs: Annotated[TableFile, PAIRS]) -> dict[str, Rows]:
    """Join components that touch, directly or through others.

    Parameters
    ----------
    pairs : table
        ``a`` and ``b``, which touch.

    Returns
    -------
    lookup : table
        ``id`` of every component that touches another, and as its ``label`` the smallest id of its object.
    """
    rows = joined(pairs.read())
    return {"lookup": {"id": rows["id"], "label": rows["root"]}}
