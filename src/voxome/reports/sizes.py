"""The sizes of neurons: a histogram, and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_BINS_A_DECADE = 4
_WIDTH, _HEIGHT, _ROOM = 640.0, 190.0, 34.0


def size_histogram(volumes_um3: Sequence[float]) -> str:
    """Return an SVG histogram of volumes in µm³, with logarithmic bins; empty without any.

    Parameters
    ----------
    volumes_um3 : sequence of float
        Larger than 0.
    """
    if not len(volumes_um3):
        return ""
    logs = np.log10(np.asarray(volumes_um3, np.float64)) * _BINS_A_DECADE
    low, high = math.floor(logs.min()), math.floor(logs.max()) + 1
    counts = np.bincount(np.floor(logs).astype(np.int64) - low, minlength=high - low)
    width = _WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{i * width + 1:.1f}" y="{_HEIGHT - tall:.1f}" width="{max(width - 2, 1):.1f}" height="{tall:.1f}">'
        f"<title>{count} from {_volume(low + i)} to {_volume(low + i + 1)} µm³</title></rect>"
        f'<text x="{(i + 0.5) * width:.1f}" y="{_HEIGHT - tall - 4:.1f}">{count:,}</text>'
        for i, count in enumerate(counts.tolist())
        for tall in [count / counts.max() * (_HEIGHT - 16)]
    )
    marks = range(-(-low // _BINS_A_DECADE) * _BINS_A_DECADE, high + 1, _BINS_A_DECADE)
    ticks = "".join(
        f'<text x="{min(max((mark - low) * width, 18), _WIDTH - 18):.1f}" y="{_HEIGHT + 16:.0f}">{_volume(mark)}</text>'
        for mark in (marks if len(marks) else (low, high))
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT + _ROOM:.0f}" role="img" aria-label="Histogram of volumes">'
        f'<g class="bars">{bars}</g>{ticks}'
        f'<text x="{_WIDTH / 2:.0f}" y="{_HEIGHT + 31:.0f}">volume, µm³; numbers of neurons above the bars</text></svg>'
    )


def size_rows(volumes_um3: Sequence[float]) -> list[tuple[str, str]]:
    """Return quantiles of volumes in µm³, as name and text.

    Examples
    --------
    >>> size_rows([1.0, 2.0, 6.0])[-1]
    ('all together', '9')
    """
    if not len(volumes_um3):
        return []
    volumes = np.asarray(volumes_um3, np.float64)
    names = {"smallest": 0.0, "smallest tenth below": 0.1, "median": 0.5, "largest tenth above": 0.9, "largest": 1.0}
    rows = [(name, f"{np.quantile(volumes, share):.3g}") for name, share in names.items()]
    return [*rows, ("all together", f"{volumes.sum():.4g}")]


def _volume(bin_edge: int) -> str:
    return f"{10 ** (bin_edge / _BINS_A_DECADE):.2g}"
