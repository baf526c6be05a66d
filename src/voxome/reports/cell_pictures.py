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
_STRIP = 2.5
"""Width by height above which pictures are one below the other."""


@dataclass(frozen=True)
class CellSlice:
    """One plane of the volume, and what was found in it.

    Attributes
    ----------
    caption : str
        Position.
    raw, probability : (row, column) array
        Image, and probability of cells.
    vessels : (row, column) bool
        Mask of vessels.
    tissue : (row, column) bool
        Where there are data.
    rings : (n, 4) array
        Cells that the plane cuts: row and column in pixels from the corner of the plane, and radii along these.
    pixel_nm : (row, column)
        Size of a pixel; pictures have the shape of the plane if it is not a square, too.
    axis : int
        The axis across the plane: 0 for a section, 1 for a side view with z along the rows.
    """

    caption: str
    raw: NDArray[Any]
    probability: NDArray[np.uint8]
    vessels: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    rings: NDArray[np.float64]
    pixel_nm: tuple[float, float]
    axis: int = 0

    @property
    def size_nm(self) -> tuple[float, float]:
        """Height and width of the plane."""
        (rows, columns), (height, width) = self.raw.shape, self.pixel_nm
        return rows * height, columns * width


def cell_slices(slices: Sequence[CellSlice]) -> str:
    """Return HTML with a row of pictures for each slice."""
    red = ", vessels are red" if any(one.vessels.any() for one in slices) else ""
    note = f"Rings are the cells where the plane cuts them{red}."
    return f'<div class="slices">{"".join(map(_figure, slices))}</div><p class="note">{note}</p>'


def _figure(plane: CellSlice) -> str:
    caption, (height, width) = escape(plane.caption), plane.size_nm
    pictures = {
        "image": (grey_picture(plane.raw), ""),
        "probability of cells": (grey_picture(plane.probability), ""),
        "found": (tinted_picture(plane.raw, plane.vessels, VESSEL_COLOUR), _rings(plane.rings, plane.raw.shape)),
    }
    bar, row = scale_bar(width), "row strips" if width > _STRIP * height else "row"
    images = "".join(
        f'<div><span>{name}</span><div><img src="{uri}" alt="{name}, {caption}" '
        f'style="aspect-ratio:{width:g}/{height:g}">{marks}{bar}</div></div>'
        for name, (uri, marks) in pictures.items()
    )
    return f'<figure><div class="{row}">{images}</div><figcaption>{caption}</figcaption></figure>'


def _rings(rings: NDArray[np.float64], shape: tuple[int, ...]) -> str:
    drawn = "".join(
        f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{rx:.1f}" ry="{ry:.1f}"/>' for y, x, ry, rx in rings.tolist()
    )
    size = f"0 0 {shape[1]} {shape[0]}"
    return f'<svg class="marks" viewBox="{size}" preserveAspectRatio="none">{drawn}</svg>' if drawn else ""
