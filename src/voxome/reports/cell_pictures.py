"""Slices of the report on cells and vessels: image, probability, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.reports.marks import scale_bar
from voxome.reports.pictures import grey_picture, tinted_picture

VESSEL_COLOUR = (214, 64, 69)


@dataclass(frozen=True)
class CellSlice:
    """One plane of the volume, and what was found in it.

    Attributes
    ----------
    caption : str
        Position.
    raw, probability : (y, x) array
        Image, and probability of cells.
    vessels : (y, x) bool, optional
        Mask of vessels; None if there are none in the run.
    rings : (n, 4) array
        Cells that the plane cuts: y, x in pixels from the corner of the plane, and radii of the cut along y and x.
    width_nm : float
        Width of the plane.
    """

    caption: str
    raw: NDArray[Any]
    probability: NDArray[np.uint8]
    vessels: NDArray[np.bool_] | None
    rings: NDArray[np.float64]
    width_nm: float


def cell_slices(slices: Sequence[CellSlice]) -> str:
    """Return HTML with a row of pictures for each slice."""
    red = ", vessels are red" if any(one.vessels is not None for one in slices) else ""
    note = f"Rings are the cells where the plane cuts them{red}."
    return f'<div class="slices">{"".join(map(_figure, slices))}</div><p class="note">{note}</p>'


def _figure(plane: CellSlice) -> str:
    caption, bar = escape(plane.caption), scale_bar(plane.width_nm)
    found = grey_picture(plane.raw)
    if plane.vessels is not None:
        found = tinted_picture(plane.raw, plane.vessels, VESSEL_COLOUR)
    pictures = {
        "image": (grey_picture(plane.raw), ""),
        "probability of cells": (grey_picture(plane.probability), ""),
        "found": (found, _rings(plane.rings, plane.raw.shape)),
    }
    images = "".join(
        f'<div><span>{name}</span><div><img src="{uri}" alt="{name}, {caption}">{marks}{bar}</div></div>'
        for name, (uri, marks) in pictures.items()
    )
    return f'<figure><div class="row">{images}</div><figcaption>{caption}</figcaption></figure>'


def _rings(rings: NDArray[np.float64], shape: tuple[int, ...]) -> str:
    drawn = "".join(
        f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{rx:.1f}" ry="{ry:.1f}"/>' for y, x, ry, rx in rings.tolist()
    )
    size = f"0 0 {shape[1]} {shape[0]}"
    return f'<svg class="marks" viewBox="{size}" preserveAspectRatio="none">{drawn}</svg>' if drawn else ""
