"""Contacts between segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import ROW_GROUP, TableFile
from voxome.tools.common.region_sums import CONTACT_TABLE
from voxome.tools.common.segments.measures import CONTACTS, measure_contacts

TABLE = kinds.Table(CONTACTS, key=("a", "b"))


@tool("common.contacts", scope="whole", outputs={"contacts": TABLE})
def contacts(touching: Annotated[TableFile, CONTACT_TABLE], *, frame: Frame) -> dict[str, Iterator[Rows]]:
    """Measure the contacts of segments that share faces of voxels: their area, and where they are.

    Parameters
    ----------
    touching : table
        Sums of ``common.region_sums``.

    Returns
    -------
    contacts : table
        One row for every two ids ``a < b``; see docs/regions.md.
    """
    batches = touching.batches(ROW_GROUP)
    return {"contacts": (measure_contacts(rows, frame.domain.start, frame.voxel_size_nm) for rows in batches)}
