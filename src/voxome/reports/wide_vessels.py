"""Whether vessels are too wide for the window in which their contrast is measured, so that parts of them are missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxome.reports.cell_pictures import CellSlice

_RADII = 5
"""Least standard deviation of the window, in radii of the widest vessels."""
_WIDTH = 0.75
"""Standard deviation with which grey values are smoothed, in the largest radius that the window allows."""
_DARK = 0.1
"""Up to where grey values are as dark as vessels, from these to the tissue."""
_MIN_SHARE = 0.1
"""Dark area beside the vessels that is worth a warning, by the area of the vessels."""
_ADVICE = (
    "if they are vessels, set vessel_background_um to at least {:.0f}; if they are dark sections, set tile_z_um and "
    "background_z_um; of a dark corner, give a mask; see What to set in docs/cells-vessels.md"
)


def wide_vessel_facts(
    radius_nm: NDArray[np.float64], planes: Sequence[CellSlice], background_um: float
) -> dict[str, str]:
    """Return what says that vessels are too wide for the window of their contrast; empty if nothing does.

    Vessels that are a little too wide are found, with radii that show it. The contrast of wider ones is too low:
    areas as wide and as dark as vessels are then outside of all of them. Dark sections and dark corners look the same
    in both, so that the advice names all three. Grey values are compared with the median of
    the vessels in the planes; without any there, this is not known.

    Parameters
    ----------
    radius_nm : (n,) array
        Mean radii of the branches.
    planes : sequence of CellSlice
        Planes of a volume with dark vessels.
    background_um : float
        Standard deviation of the window in micrometres.
    """
    facts, limit_um = {}, background_um / _RADII
    wide = radius_nm[radius_nm >= 1000 * limit_um] / 1000
    if len(wide):
        facts["wide vessels or dark areas"] = (
            f"{len(wide):,} of {len(radius_nm):,} branches have a radius of {limit_um:g} µm or more, up to "
            f"{wide.max():.1f} µm; parts of wide vessels, and vessels beside wide or dark areas, may be missing: "
            f"{_ADVICE.format(np.ceil(_RADII * wide.max()))}"
        )
    share = _dark_share(planes, limit_um)
    if share >= _MIN_SHARE:
        facts["dark areas that are no vessels"] = (
            f"areas wider than {2 * limit_um:g} µm and as dark as vessels have {100 * share:.0f} % of the area of the "
            f"vessels in the slices: {_ADVICE.format(2 * background_um)}"
        )
    return facts


def level_sections(plane: CellSlice) -> CellSlice:
    """Return a plane without the median of the tissue of each section, for contrast in the window of one section."""
    tissue = np.ma.masked_array(plane.raw, ~plane.tissue)
    medians = np.ma.median(tissue, axis=1 if plane.axis else None, keepdims=True)  # type: ignore[no-untyped-call]
    return replace(plane, raw=plane.raw - np.ma.filled(medians, 0))


def _dark_share(planes: Sequence[CellSlice], limit_um: float) -> float:
    """Return the area of what is wide and as dark as vessels, but in none, by that of the vessels."""
    found = np.concatenate([np.empty(0), *(plane.raw[plane.vessels & plane.tissue] for plane in planes)])
    if not len(found) or not any((~plane.vessels & plane.tissue).any() for plane in planes):
        return 0.0
    dark = float(np.median(found))
    tissue = float(np.median(np.concatenate([plane.raw[~plane.vessels & plane.tissue] for plane in planes])))
    level = dark + _DARK * (tissue - dark)
    missed = sum(int((_smooth(plane, limit_um) <= level)[plane.tissue & ~plane.vessels].sum()) for plane in planes)
    return missed / len(found)


def _smooth(plane: CellSlice, limit_um: float) -> NDArray[np.float64]:
    """Return the mean grey value of the tissue around each pixel; infinite where there is none."""
    sigma = [1000 * _WIDTH * limit_um / size for size in plane.pixel_nm]
    weight = ndimage.gaussian_filter(plane.tissue.astype(np.float64), sigma)
    total = ndimage.gaussian_filter(np.where(plane.tissue, plane.raw, 0).astype(np.float64), sigma)
    return np.divide(total, weight, out=np.full_like(total, np.inf), where=weight > 0)
