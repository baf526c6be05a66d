"""The figure of a sweep of readings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxome.errors import VoxomeError
from voxome.services.bench import Reading


def draw(readings: Sequence[Reading], title: str, path: Path) -> None:
    """Draw time and throughput against the size of a request, as a PNG.

    Raises
    ------
    VoxomeError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise VoxomeError("drawing needs matplotlib: pip install 'voxome[plots]'") from error
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    time_axes, rate_axes = figure.subplots(1, 2)
    for (aligned, at_once), line in _lines(readings).items():
        look: dict[str, Any] = {
            "label": f"{'aligned' if aligned else 'unaligned'}, {at_once} at a time",
            "color": "#0072b2" if aligned else "#d55e00",
            "linestyle": "-" if at_once == 1 else "--",
            "marker": "o" if at_once == 1 else "s",
        }
        sizes = [reading.bytes / 1e6 for reading in line]
        time_axes.plot(sizes, [reading.seconds for reading in line], **look)
        rate_axes.plot(sizes, [reading.bytes_per_s / 1e6 for reading in line], **look)
    for axes, what in ((time_axes, "time of a request (s)"), (rate_axes, "throughput (MB/s)")):
        axes.set(xscale="log", yscale="log", xlabel="size of a request (MB)", ylabel=what)
        axes.grid(which="major", color="0.9")
    rate_axes.legend(frameon=False)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)


def _lines(readings: Sequence[Reading]) -> dict[tuple[bool, int], list[Reading]]:
    lines: dict[tuple[bool, int], list[Reading]] = {}
    for reading in sorted(readings, key=lambda reading: reading.bytes):
        lines.setdefault((reading.aligned, reading.at_once), []).append(reading)
    return lines
