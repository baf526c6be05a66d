"""A plug-in package: a tool, a report and a scorer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.report import FinishedRun, Results
from voxome.resources.open import open as open_volume
from voxome.resources.table import TableFile


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
        A number.
    """
    texts = len(store) + len(name) + len(help)
    total = block + texts + int(workers) + int(region) + level + tool_level
    return np.full(where.write.shape, total, np.uint8)


class CountsReport:
    """Writes ``counts.txt``: how many voxels have each value."""

    def check(self, inputs: Iterable[str], results: Results) -> Iterable[str]:
        """Return a problem if there is no table of counts."""
        return () if "counts" in results else ["the report demo.counts needs the output 'counts'"]

    def write(self, run: FinishedRun) -> dict[str, int]:
        """Write the report, and return how many values there are."""
        rows = TableFile(run.results["counts"].uri).read()
        lines = [f"{value}: {voxels}" for value, voxels in zip(rows["value"], rows["voxels"], strict=True)]
        (run.folder / "counts.txt").write_text("\n".join([run.record["workflow"], *lines]) + "\n")
        return {"values": len(rows["value"])}


class ShareScorer:
    """Compares the share of marked voxels with the one in ``share.txt``."""

    def check(self, truth: Path, results: Results) -> Iterable[str]:
        """Return a problem if there is no truth, or no mask that covers a box."""
        if not (truth / "share.txt").exists():
            yield f"{truth} has no share.txt"
        if results["mask"].frame is None:
            yield "the mask covers no voxels"

    def score(self, truth: Path, results: Results) -> Mapping[str, Mapping[str, float]]:
        """Return the difference of the shares."""
        share = float((truth / "share.txt").read_text())
        frame = results["mask"].frame
        assert frame is not None
        return {"mask": {"difference": float((open_volume(results["mask"].uri).cutout(frame.box) > 0).mean()) - share}}
