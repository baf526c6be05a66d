"""Colours of neurons: the same in every picture of a page, and different for neighbours."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxome.storage.atomic import write_file

Colour = tuple[int, int, int]
"""Red, green, blue, of 255."""

_GAPS = (1, 3, 7)
"""Pixels between voxels that are compared: neurons are neighbours across a thin membrane too."""
_FILE = "colours.json"
"""File in the folder of a run."""
_VARIANTS = 12
_ENOUGH = 150.0
"""Distance of colours that are easy to distinguish; black and white differ by 765."""


def neuron_colour(neuron_id: int, variant: int = 0) -> Colour:
    """Return the colour of a neuron; black for 0.

    Hue, saturation and lightness come from a hash: the finaliser of SplitMix64 (Steele, Lea & Flood 2014, fig. 16).

    Parameters
    ----------
    neuron_id : int
        From 0 to 2^64 - 1.
    variant : int
        Number of the colour, where the first ones look like those of neighbours.
    """
    if neuron_id == 0:
        return 0, 0, 0
    mask = (1 << 64) - 1
    z = (neuron_id + (variant + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    hue, light, strong = (z & 0xFFFF) / 65536, (z >> 16 & 0xFF) / 255, (z >> 24 & 0xFF) / 255
    red, green, blue = colorsys.hls_to_rgb(hue, 0.45 + 0.2 * light, 0.5 + 0.3 * strong)
    return round(255 * red), round(255 * green), round(255 * blue)


def distinct_colours(planes: Iterable[NDArray[np.integer]]) -> dict[int, Colour]:
    """Return colours of all neurons in some planes, so that neighbours look different.

    The neurons get their colours by id. Each takes the first of its variants that is far enough from those of its
    neighbours, or else the farthest.

    Parameters
    ----------
    planes : iterable of (y, x) arrays of integers
        Labels, 0 is background.
    """
    pairs: set[tuple[int, int]] = set()
    ids: set[int] = set()
    for plane in planes:
        ids.update(np.unique(plane).tolist())
        for gap in _GAPS:
            pairs |= _pairs(plane[:, :-gap], plane[:, gap:]) | _pairs(plane[:-gap], plane[gap:])
    neighbours: dict[int, list[int]] = {one: [] for one in ids}
    for a, b in pairs:
        neighbours[a].append(b)
        neighbours[b].append(a)
    colours: dict[int, Colour] = {}
    for one in sorted(ids - {0}):
        near = [colours[other] for other in neighbours[one] if other in colours]
        colours[one] = _unlike(one, near)
    return colours


def write_colours(folder: Path, colours: Mapping[int, Colour]) -> None:
    """Keep in a run folder the colours that are not those of `neuron_colour`, so that the viewer has the same."""
    others = {str(one): list(colour) for one, colour in colours.items() if colour != neuron_colour(one)}
    write_file(folder / _FILE, json.dumps(others))


def read_colours(folder: Path) -> dict[int, Colour]:
    """Return what `write_colours` has kept; nothing if there is no file."""
    try:
        kept = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return {int(one): (int(red), int(green), int(blue)) for one, (red, green, blue) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _pairs(first: NDArray[np.integer], second: NDArray[np.integer]) -> set[tuple[int, int]]:
    """Return the pairs of different labels at the same positions of two arrays."""
    chosen = (first != second) & (first != 0) & (second != 0)
    return set(map(tuple, np.unique(np.stack([first[chosen], second[chosen]], axis=1), axis=0).tolist()))


def _unlike(neuron_id: int, near: list[Colour]) -> Colour:
    best, most = neuron_colour(neuron_id), -1.0
    for variant in range(_VARIANTS):
        colour = neuron_colour(neuron_id, variant)
        least = min((_distance(colour, other) for other in near), default=np.inf)
        if least >= _ENOUGH:
            return colour
        if least > most:
            best, most = colour, least
    return best


def _distance(a: Colour, b: Colour) -> float:
    """Return how different two colours look: a weighted distance in RGB (Riemersma, "Colour metric", 2008)."""
    red = (a[0] + b[0]) / 2
    weights = (2 + red / 256, 4.0, 2 + (255 - red) / 256)
    return sum(weight * (one - other) ** 2 for weight, one, other in zip(weights, a, b, strict=True)) ** 0.5
