"""What reports show of every run: facts, planes of volumes, costs of the steps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.read_cost import box_cost, chunk_origin
from voxome.contracts.report import Result
from voxome.contracts.run_record import RunRecord
from voxome.errors import NotFound
from voxome.geometry import Box
from voxome.reports.data import StepCost
from voxome.reports.marks import length_text
from voxome.resources.open import open_source
from voxome.resources.provenance import read_provenance

MAX_SIDE = 4096
"""Voxels along each side of the planes that a report shows; of larger ones, the middle."""

MAX_READ = 1 << 30
"""Bytes of chunks, uncompressed, that are read for a side view; image stacks store whole sections."""


def run_facts(record: RunRecord, uri: str, frame: Frame) -> dict[str, str]:
    """Return facts about a run of the image at `uri`, by their names."""
    return {
        "input": uri,
        "box": f"{frame.box} (z, y, x)",
        **dimensions(frame),
        **(_run_facts(record) if record["engines"] else {}),
        "versions": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
        **{f"warning {i + 1}": text for i, text in enumerate(record["warnings"])},
    }


def _run_facts(record: RunRecord) -> dict[str, str]:
    """Return what voxome knows of a run whose steps it has scheduled itself."""
    return {
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record["started_s"])),
        "took": f"{record['wall_s']:.0f} s on {max(engine['workers'] for engine in record['engines'])} workers",
        "command": record.get("command", "unknown"),
        "host": record.get("host", "unknown"),
        "plan": record["plan"],
    }


def dimensions(frame: Frame) -> dict[str, str]:
    """Return voxel size and extent in words."""
    size = frame.voxel_size_nm
    if size is None:
        return {"voxel size": "unknown"}
    extent = [n * one for n, one in zip(frame.box.shape, size, strict=True)]
    return {
        "voxel size": f"{' × '.join(f'{one:g}' for one in size)} nm (z, y, x)",
        "extent": " × ".join(map(length_text, extent)),
    }


def middle(box: Box) -> Box:
    """Return what the pictures show of a box: along each axis, at most `MAX_SIDE` voxels."""
    start = [max(a, (a + b - MAX_SIDE) // 2) for a, b in zip(box.start, box.stop, strict=True)]
    stop = [min(b, a + MAX_SIDE) for a, b in zip(start, box.stop, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def affordable(uri: str, plane: Box) -> Box:
    """Return the middle sections of a side view that cost at most `MAX_READ`; at least one."""
    source = open_source(uri)
    cost = box_cost(source.spec, source.spec.lift(plane), chunk_origin(source)).read_bytes
    depth = plane.shape[0]
    count = min(depth, max(1, depth * MAX_READ // max(cost, 1)))
    first = plane.start[0] + (depth - count) // 2
    return Box((first, *plane.start[1:]), (first + count, *plane.stop[1:]))


def read_plane(uri: str, plane: Box, axis: int = 0) -> NDArray[Any]:
    """Return the voxels of a plane across an axis, in the order of the other two."""
    source = open_source(uri)
    return np.take(np.asarray(source.read(source.spec.lift(plane))), 0, axis)


def step_costs(record: RunRecord) -> list[StepCost]:
    """Return blocks, time and memory of the steps, in the order they ran."""
    return [
        StepCost(name=step["name"], **step["blocks"], seconds=step["wall_s"], peak_bytes=step["peak_bytes"])
        for step in record["steps"]
    ]


def parameters_of(tool: str, volume: Result, names: Sequence[str]) -> Mapping[str, Any]:
    """Return parameters with which a tool made a volume, from its provenance: other CWL runners record no steps.

    Raises
    ------
    NotFound
        If its provenance does not name the tool, or lacks one of these parameters.
    """
    for entry in reversed(read_provenance(open_source(volume.uri))):
        if entry.tool == tool:
            if missing := [name for name in names if name not in entry.parameters]:
                raise NotFound(f"the provenance of {volume.uri} does not say {', '.join(missing)} of {tool}")
            return entry.parameters
    raise NotFound(f"the provenance of {volume.uri} does not say how {tool} made it")
