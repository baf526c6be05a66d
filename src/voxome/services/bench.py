"""Benchmark reads of a volume over request size, chunk alignment and concurrency.

The sweep is that of figure 2 of the intern paper (Matelsky et al.): time and throughput against cutout size, aligned to
the store's chunks and not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from voxome.contracts.read_cost import WARN_ABOVE, box_cost, chunk_origin, cost_warning
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.extras import require
from voxome.geometry import Box
from voxome.services.blockwise_copy import ProgressCallback, silent

EDGES = (32, 64, 128, 256, 512)
"""Default edge lengths of the cubes, in voxels."""
MAX_REQUEST_BYTES = 512 << 20
"""Size above which requests are skipped."""
_DEFAULT_CHUNK = 64


@dataclass(frozen=True)
class Reading:
    """Timing of the requests of one size.

    Attributes
    ----------
    edge : int
        Edge length of the cube, in voxels.
    bytes : int
        Size of one request; less than a cube where the volume is thinner.
    aligned : bool
        Whether requests start at chunk borders; otherwise they straddle them.
    concurrency : int
        Number of simultaneous requests.
    median_s : float
        Median time of one request in seconds.
    bytes_per_s : float
        Throughput of all requests together.
    amplification : float
        Size of the chunks that the requests touch, for each byte that they want.
    """

    edge: int
    bytes: int
    aligned: bool
    concurrency: int
    median_s: float
    bytes_per_s: float
    amplification: float


def read_sweep(
    source: VolumeSource,
    edges: Sequence[int] | None = None,
    *,
    concurrency: int = 4,
    repeats: int = 3,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> list[Reading]:
    """Read cubes at random positions: each size aligned and unaligned, one request at a time and several.

    Caches along the way (of the operating system, of a server) are not cleared, so small volumes are soon cached.

    Parameters
    ----------
    source : VolumeSource
        Volume to read; along axes other than z, y, x, at the first index.
    edges : sequence of int, optional
        Edge lengths in voxels; those that exceed `MAX_REQUEST_BYTES` are skipped. By default, those of `EDGES` that
        fit into the volume.
    concurrency : int
        Number of simultaneous requests, in the second half of the sweep.
    repeats : int
        Number of consecutive requests.
    seed : int
        Random seed for the positions.
    progress : callable
        Called after each reading.

    Returns
    -------
    list of Reading

    Raises
    ------
    InvalidInput
        If every size is skipped, or a cube is longer than every axis of the volume.
    """
    spec, random = source.spec, np.random.default_rng(seed)
    longest = max(spec.frame.shape)
    edges = edges or [edge for edge in EDGES if edge <= longest] or [longest]
    if max(edges) > longest:
        raise InvalidInput(f"Cubes of {max(edges)} voxels do not fit into {spec.frame}; use sizes up to {longest}")
    sizes = {edge: _request_bytes(spec, edge) for edge in sorted(set(edges))}
    kept = [edge for edge, size in sizes.items() if size <= MAX_REQUEST_BYTES]
    if not kept or kept[0] < 1:
        raise InvalidInput(f"No usable size in {list(edges)}: requests need 1 to {MAX_REQUEST_BYTES:,} bytes")
    source.read(next(_random_boxes(spec, kept[0], True, random)))
    readings: list[Reading] = []
    cases = list(product(kept, (True, False), sorted({1, concurrency})))
    for edge, aligned, count in cases:
        positions = _random_boxes(spec, edge, aligned, random)
        boxes = [next(positions) for _ in range(repeats * count)]
        readings.append(_measure(source, edge, aligned, count, boxes))
        progress(len(readings), len(cases))
    return readings


def _measure(source: VolumeSource, edge: int, aligned: bool, concurrency: int, boxes: Sequence[Box]) -> Reading:
    def time_read(box: Box) -> float:
        start = time.perf_counter()
        source.read(box)
        return time.perf_counter() - start

    size = boxes[0].size * source.spec.dtype.itemsize
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(time.sleep, [0.001] * concurrency))
        start = time.perf_counter()
        times = list(pool.map(time_read, boxes))
        elapsed = time.perf_counter() - start
    costs = [box_cost(source.spec, box, chunk_origin(source)) for box in boxes]
    amplification = sum(cost.read_bytes for cost in costs) / sum(cost.wanted_bytes for cost in costs)
    median, rate = statistics.median(times), size * len(boxes) / elapsed
    return Reading(edge, size, aligned, concurrency, median, rate, amplification)


def _request_bytes(spec: VolumeSpec, edge: int) -> int:
    return int(np.prod([min(edge, extent) for extent in spec.frame.shape])) * spec.dtype.itemsize


def _random_boxes(spec: VolumeSpec, edge: int, aligned: bool, random: np.random.Generator) -> Iterator[Box]:
    """Yield cubes at random positions that start at chunk borders, or straddle them."""
    frame = spec.frame
    chunks = [(spec.read_chunk or (_DEFAULT_CHUNK,) * spec.domain.ndim)[axis] for axis in spec.spatial]
    while True:
        start = []
        for first, extent, chunk in zip(frame.start, frame.shape, chunks, strict=True):
            room = max(0, extent - edge)
            straddling = chunk // 2 if edge >= chunk else chunk - edge // 2
            shift = 0 if aligned else min(straddling, room)
            start.append(first + shift + int(random.integers((room - shift) // chunk + 1)) * chunk)
        shape = [min(edge, extent) for extent in frame.shape]
        yield _at_first_index(spec, Box.of_shape(shape, start))


def _at_first_index(spec: VolumeSpec, box: Box) -> Box:
    """Return `box` along all axes, at the first index of those other than z, y, x."""
    full = spec.lift(box)
    stop = [b if axis in spec.spatial else a + 1 for axis, (a, b) in enumerate(zip(full.start, full.stop, strict=True))]
    return Box(full.start, tuple(stop))


def cost_warnings(name: str, spec: VolumeSpec, readings: Sequence[Reading]) -> list[str]:
    """Return the warning for the sizes of which much more is read than wanted; empty if there are none."""
    costly = {reading.edge: reading for reading in readings if reading.amplification > WARN_ABOVE}
    if not costly:
        return []
    worst = max(costly.values(), key=lambda reading: reading.amplification)
    what = f"cubes of {', '.join(map(str, sorted(costly)))} voxels"
    return [cost_warning(name, what, spec, worst.amplification)]


def draw(readings: Sequence[Reading], title: str, path: Path) -> None:
    """Plot time and throughput against request size as a PNG.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    require("plots", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    time_axes, rate_axes = figure.subplots(1, 2)
    for (aligned, concurrency), line in _lines(readings).items():
        style: dict[str, Any] = {
            "label": f"{'aligned' if aligned else 'unaligned'}, {concurrency} at a time",
            "color": "#0072b2" if aligned else "#d55e00",
            "linestyle": "-" if concurrency == 1 else "--",
            "marker": "o" if concurrency == 1 else "s",
        }
        sizes = [reading.bytes / 1e6 for reading in line]
        time_axes.plot(sizes, [reading.median_s for reading in line], **style)
        rate_axes.plot(sizes, [reading.bytes_per_s / 1e6 for reading in line], **style)
    for axes, label in ((time_axes, "request time (s)"), (rate_axes, "throughput (MB/s)")):
        axes.set(xscale="log", yscale="log", xlabel="request size (MB)", ylabel=label)
        axes.grid(which="major", color="0.9")
    rate_axes.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _lines(readings: Sequence[Reading]) -> dict[tuple[bool, int], list[Reading]]:
    """Group readings into the lines of the plot, by alignment and concurrency."""
    lines: dict[tuple[bool, int], list[Reading]] = {}
    for reading in sorted(readings, key=lambda reading: reading.bytes):
        lines.setdefault((reading.aligned, reading.concurrency), []).append(reading)
    return lines
