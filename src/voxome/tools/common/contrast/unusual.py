"""Faults in the grey values of an image, seen in a sample of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.contracts.kinds import Parameters
from voxome.tools.common.flatness import flat_areas

MAX_CLIPPED = 0.05
"""Share of the tissue that may have the lowest, or the highest, grey value."""
FLAT_SHARE = 2e-3
"""Standard deviation of floats, as a share of their mean, below which their contrast is lost, or nearly so."""
EXTREME = 100
"""Distance from most grey values, in widths of their range, from which on a grey value is extreme."""
MIN_LEVELS = 32
"""Number of grey values that tissue should have."""
_BITS = (8, 10, 12, 14, 16)
"""Depths of cameras and formats."""
_SECTIONS = 16
"""Number of sections of a block that are looked at."""


def sample_sections(blocks: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return some sections of each of the blocks (z, y, x) of a sample."""
    return [block[:: max(1, len(block) // _SECTIONS)] for block in blocks if block.size]


def unusual_image(name: str, blocks: Iterable[NDArray[Any]], _: Parameters) -> Iterable[str]:
    """Yield what is unusual about the input ``image`` of a tool, as ``examine`` of a tool."""
    if name != "image":
        return ()
    sections = sample_sections(blocks)
    return grey_warnings(sections, [flat_areas(section) for section in sections])


def unusual_probability(name: str, blocks: Iterable[NDArray[Any]], _: Parameters) -> Iterable[str]:
    """Yield that a probability looks like a mask, as ``examine`` of a tool: 1 of 255 is next to nothing."""
    if name not in ("probability", "membranes"):
        return
    sample = [block for block in blocks if block.size]
    if sample and max(int(block.max()) for block in sample) == 1:
        voxels = sum(block.size for block in sample)
        yield (
            f"has no value above 1 in a sample of {voxels:,} voxels, but 255 is certain: if it is a mask, add "
            "?window=0:1 to its URI"
        )


def grey_warnings(sections: Sequence[NDArray[Any]], flat: Sequence[NDArray[np.bool_]]) -> Iterator[str]:
    """Yield what is unusual about the grey values of an image: without data, clipped, or few.

    Parameters
    ----------
    sections, flat : sequence of (z, y, x) arrays
        A sample of the image, and its areas without texture.

    Yields
    ------
    str
        A sentence that begins with a verb, for the name of the image before it.
    """
    total = sum(section.size for section in sections)
    missing = sum(int(area.sum()) for area in flat)
    if total and missing == total:
        yield _constant(sections, f"in all of a sample of {total:,} voxels")
        return
    if missing:
        blank = np.concatenate([section[area] for section, area in zip(sections, flat, strict=True)])
        what = most_frequent(blank)
        of = f", most of them {what}" if what else ""
        yield f"has no data in {missing / total:.1%} of a sample of {total:,} voxels: areas of one grey value{of}"
    tissue = np.concatenate([section[~area] for section, area in zip(sections, flat, strict=True)] or [np.empty(0)])
    if tissue.dtype.kind == "f":
        tissue = tissue[np.isfinite(tissue)]
        yield from _offset_warnings(tissue.astype(np.float64))
    yield from _extreme_warnings(sections, flat, tissue)
    yield from _histogram_warnings(tissue)


def _extreme_warnings(
    sections: Sequence[NDArray[Any]], flat: Sequence[NDArray[np.bool_]], tissue: NDArray[Any]
) -> Iterator[str]:
    """Yield that single voxels are so bright or dark that the standard deviation around them is their own.

    Voxels that touch others of the kind are not named: those may be sparse, bright cells.
    """
    if not tissue.size:
        return
    low, high = (float(value) for value in np.percentile(tissue, (0.1, 99.9)))
    if not low < high:
        return
    reach = EXTREME * (high - low)
    for name, most, end, compare, limit in (
        ("at most", high, tissue.max(), np.greater, high + reach),
        ("at least", low, tissue.min(), np.less, low - reach),
    ):
        beyond = [
            compare(section, limit) & ~area & np.isfinite(section) for section, area in zip(sections, flat, strict=True)
        ]
        if _are_single(beyond):
            yield (
                f"has the grey value {float(end):g} in a sample, but 99.9 % of the tissue are {name} {most:g}; hot "
                f"voxels hide cells around them: clip them, as with ?window={low:g}:{high:g}, or set no_data"
            )


def _are_single(masks: Iterable[NDArray[np.bool_]]) -> bool:
    """Return whether there are marked voxels, most of which touch no other in their section."""
    touching = [
        ndimage.correlate(mask.astype(np.int32), np.ones((1, 3, 3), np.int32), mode="constant")[mask]
        for mask in masks
        if mask.any()
    ]
    return bool(touching) and float(np.median(np.concatenate(touching))) == 1


def _offset_warnings(tissue: NDArray[np.float64]) -> Iterator[str]:
    if tissue.size and 0 < tissue.std() < FLAT_SHARE * abs(tissue.mean()):
        yield (
            f"has a standard deviation of {tissue.std():.3g} around a mean of {tissue.mean():.6g} in a sample of "
            f"{tissue.size:,} voxels of tissue; floats that vary so little have no contrast: subtract an offset"
        )


def most_frequent(values: NDArray[Any]) -> str:
    """Return the grey value that most of some voxels have, in words; empty if none is that frequent.

    Examples
    --------
    >>> most_frequent(np.array([4095, 4095, 7], np.uint16))
    '4095, the largest of 12 bits, as of saturated voxels'
    """
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    found, counts = np.unique(known, return_counts=True)
    if not len(found) or 2 * counts.max() <= len(values):
        return ""
    return _grey_name(found[counts.argmax()].item())


def _grey_name(value: float) -> str:
    bits = next((n for n in _BITS if value == 2**n - 1), None)
    return f"{value:g}" if bits is None else f"{value:g}, the largest of {bits} bits, as of saturated voxels"


def _constant(sections: Sequence[NDArray[Any]], where: str) -> str:
    """Return what an image without any texture shows."""
    low, high = (float(end([end(section) for section in sections])) for end in (np.min, np.max))
    if low != high:
        return f"is nearly constant, with grey values from {low:g} to {high:g}, {where}: nothing can be found there"
    advice = (
        "use the original image, or a wider window"
        if "saturated" in (name := _grey_name(low))
        else "check its path, channel and box"
    )
    return f"has a single grey value, {name}, {where}: nothing can be found there; {advice}"


def _histogram_warnings(tissue: NDArray[Any]) -> Iterator[str]:
    values, counts = np.unique(tissue, return_counts=True)
    if not len(values):
        return
    for name, end in (("lowest", 0), ("highest", -1)):
        share = counts[end] / len(tissue)
        if len(values) > 1 and share > MAX_CLIPPED:
            yield (
                f"is clipped: {share:.0%} of the tissue in a sample has its {name} grey value, {values[end]:g}; use "
                "the original image, or a wider window"
            )
    if len(values) < MIN_LEVELS:
        yield (
            f"has only {len(values)} grey values in a sample of {len(tissue):,} voxels of tissue; expected at least "
            f"{MIN_LEVELS}: scale it from the original, as with ?window=0.5%:99.5%"
        )
