"""Windows of sizes in which objects are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput


def window_problems(_: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    """Yield that a window of sizes has no room, as ``check`` of a tool."""
    smallest, largest = parameters["min_volume_um3"], parameters["max_volume_um3"]
    if largest is not None and largest < smallest:
        yield f"max_volume_um3 is {largest:g}, below min_volume_um3, {smallest:g}; no object could be kept"


def require_window(min_volume_um3: float, max_volume_um3: float | None) -> None:
    """Refuse a window of sizes without room.

    Raises
    ------
    InvalidInput
        If the largest volume is below the smallest.
    """
    for problem in window_problems({}, {"min_volume_um3": min_volume_um3, "max_volume_um3": max_volume_um3}):
        raise InvalidInput(problem)
