"""Measures of segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from voxome import kinds
from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.resources.table import ROW_GROUP, TableFile
from voxome.tools.common.region_sums import SEGMENT_TABLE, VALUE_TABLE
from voxome.tools.common.segments.measures import REGIONS, VALUES, measure_regions, measure_values

TABLE = kinds.Table({**REGIONS, **VALUES}, key=("id",))


@tool("common.regions", scope="whole", outputs={"regions": TABLE})
def regions(
    segments: Annotated[TableFile, SEGMENT_TABLE],
    values: Annotated[TableFile, VALUE_TABLE],
    *,
    frame: Frame,
) -> dict[str, Iterator[Rows]]:
    """Measure segments: size, centroid, box, surface, principal axes, and the values of an image under them.

    Parameters
    ----------
    segments, values : tables
        Sums of ``common.region_sums``.

    Returns
    -------
    regions : table
        One row an id; see docs/regions.md.
    """

    def batches() -> Iterator[Rows]:
        for rows in segments.batches(ROW_GROUP):
            yield {
                **measure_regions(rows, frame.domain.start, frame.voxel_size_nm),
                **measure_values(rows, values.lookup("id", rows["id"])),
            }

    return {"regions": batches()}
