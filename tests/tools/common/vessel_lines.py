"""Centre lines of runs by the three tools, one after the other, in one block or in several."""

from __future__ import annotations

from typing import Any

from tools.common.blockwise import run_blocks

from voxome.contracts.frame import Frame
from voxome.contracts.kinds import Rows
from voxome.tools.common.centre_lines import centre_lines
from voxome.tools.common.vessel_exits import vessel_exits
from voxome.tools.common.vessel_faces import vessel_faces
from voxome.tools.common.vessels.runs import paint_runs


class RowTable:
    """Rows in memory instead of a TableFile."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def read(self) -> Rows:
        return self._rows


def block_lines(
    runs: Rows, frame: Frame, block: tuple[int, int, int] | None = None, reach_um: float = 20.0
) -> dict[str, Any]:
    """Lines and seams of a mask."""
    volumes, shape = {"mask": paint_runs(runs, frame.box)}, block or frame.box.shape
    faces = run_blocks(vessel_faces, volumes, shape, frame, reach_um=reach_um)["faces"]
    exits = vessel_exits(faces=RowTable(faces), frame=frame)["exits"]
    return run_blocks(centre_lines, volumes, shape, frame, exits=RowTable(exits), reach_um=reach_um)


def thin_runs(runs: Rows, frame: Frame) -> Rows:
    """The lines of a mask, in one block."""
    lines: Rows = block_lines(runs, frame)["lines"]
    return lines
