"""Union of touching components."""

from __future__ import annotations

from typing import Annotated

from voxome import kinds
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.components import union as join_components
from voxome.tools.common.touching import PAIRS


@tool(
    "common.union",
    scope="whole",
    outputs={"lookup": kinds.Table({"id": "uint64", "label": "uint64"}, key=("id",))},
)
def union(pairs: Annotated[TableFile, PAIRS]) -> dict[str, Rows]:
    """Join components that touch, directly or through other components.

    Parameters
    ----------
    pairs : table
        Components ``a`` and ``b`` that touch.

    Returns
    -------
    lookup : table
        ``id`` of every component that touches another, and ``label``, the smallest id of its object.
    """
    rows = join_components(pairs.read())
    return {"lookup": {"id": rows["id"], "label": rows["root"]}}
