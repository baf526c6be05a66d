"""Content of the report of the EM pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGE = ("pre_id", "post_id", "directed", "synapses", "area_um2")
"""Columns of a connection."""


@dataclass(frozen=True)
class Slice:
    """One plane of the volume: the image and what the run made of it.

    Attributes
    ----------
    caption : str
        Position.
    raw, membranes : (y, x) uint8, optional
        Grey-scale images.
    neurons : (y, x) integer, optional
        Labels, 0 = background.
    synapses : (n, 2) array, optional
        y, x in pixels, from the corner of the plane.
    width_nm : float, optional
        Width of the plane; None if the voxel size is unknown.
    """

    caption: str
    raw: NDArray[Any] | None = None
    membranes: NDArray[Any] | None = None
    neurons: NDArray[Any] | None = None
    synapses: NDArray[np.float64] | None = None
    width_nm: float | None = None


@dataclass(frozen=True)
class Edge:
    """A connection of two neurons."""

    pre_id: int
    post_id: int
    directed: bool
    synapses: int
    area_um2: float


@dataclass(frozen=True)
class StepCost:
    """Blocks, time and memory of a step."""

    name: str
    total: int
    run: int
    reused: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class ReportData:
    """Content of the page that `render_report` writes.

    Attributes
    ----------
    title : str
        Headline.
    subtitle : str
        Extent and voxel size, in one line.
    view : str
        Command that shows the run in the viewer.
    link : str, optional
        Link to its volumes in Neuroglancer; None if browsers do not reach them.
    run : mapping of str to str
        Facts about the run, shown in order: input, box, voxel size, date, versions.
    totals : mapping of str to str
        Numbers at the top of the page: neurons, synapses, connections.
    slices : sequence of Slice
        Planes to show.
    edges : sequence of Edge
        All connections.
    volumes_um3 : sequence of float
        Volumes of the neurons; empty if the voxel size is unknown.
    scores : mapping of str to mapping of str to float, optional
        Group → name of a score → value; None without ground truth.
    steps : sequence of StepCost
        In the order they ran.
    """

    title: str
    subtitle: str = ""
    view: str = ""
    link: str | None = None
    run: Mapping[str, str] = field(default_factory=dict)
    totals: Mapping[str, str] = field(default_factory=dict)
    slices: Sequence[Slice] = ()
    edges: Sequence[Edge] = ()
    volumes_um3: Sequence[float] = ()
    scores: Mapping[str, Mapping[str, float]] | None = None
    steps: Sequence[StepCost] = ()


def edges_of(connectome: Mapping[str, NDArray[Any]]) -> list[Edge]:
    """Return the edges of a connectome table: ``pre_id, post_id, directed, synapses, area_um2``."""
    columns = [np.asarray(connectome[name]).tolist() for name in EDGE]
    return [Edge(*row) for row in zip(*columns, strict=True)]
