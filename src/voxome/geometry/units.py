"""Units of length."""

from __future__ import annotations

import math
from collections.abc import Sequence

_NM = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3,
    "micrometer": 1e3, "micrometers": 1e3, "micrometre": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimeters": 1e6, "millimetre": 1e6,
    "cm": 1e7, "centimeter": 1e7, "centimetre": 1e7,
    "m": 1e9, "meter": 1e9, "meters": 1e9, "metre": 1e9,
    "pm": 1e-3, "picometer": 1e-3, "å": 0.1, "angstrom": 0.1,
}  # fmt: skip


def nm_per(unit: str | None) -> float | None:
    """Return how many nanometres one `unit` has; None if it is not a known unit of length (such as pixel, or 5).

    Examples
    --------
    >>> nm_per("micrometer"), nm_per("pixel")
    (1000.0, None)
    """
    return _NM.get(unit.strip().lower()) if isinstance(unit, str) else None


def min_voxels(volume_um3: float, voxel_size_nm: Sequence[float]) -> int:
    """Return the smallest number of voxels that have at least this volume.

    Examples
    --------
    >>> min_voxels(0.002, (10, 10, 10)), min_voxels(0.002, (40, 10, 10))
    (2000, 500)
    """
    return math.ceil(volume_um3 * 1e9 / math.prod(voxel_size_nm) * (1 - 1e-9))
