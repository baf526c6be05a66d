"""Whether the voxels of two volumes are at the same places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from voxome.contracts.spec import VolumeSpec
from voxome.geometry.notation import comma_text

_SIZE_TOLERANCE = 1e-3
_OFFSET_TOLERANCE = 0.51
"""In voxels: stores differ in whether an offset is that of a voxel's corner or centre."""


class Placed(Protocol):
    """Something with a voxel size and an offset, such as the spec of a volume."""

    @property
    def voxel_size_nm(self) -> tuple[float, float, float] | None:
        """Edge lengths of a voxel (z, y, x) in nm; None if unknown."""

    @property
    def offset_nm(self) -> tuple[float, float, float]:
        """Position of the centre of voxel index 0, in nm."""


def are_placed(one: Placed, other: Placed) -> bool:
    """Return whether the places of both volumes are known."""
    return one.voxel_size_nm is not None and other.voxel_size_nm is not None


def same_size(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two voxel sizes are the same, but for rounding in their stores."""
    return all(math.isclose(a, b, rel_tol=_SIZE_TOLERANCE) for a, b in zip(one, other, strict=True))


def placement_problem(name: str, one: Placed, other_name: str, other: VolumeSpec) -> str | None:
    """Return why the voxels of the same index of two volumes are not at the same place; None if they are, or unknown.

    Parameters
    ----------
    name : str
        Name of the first volume, for the message.
    one : Placed
        Its voxel size and offset.
    other_name : str
        Name of the second volume.
    other : VolumeSpec
        Its spec.
    """
    size, other_size = one.voxel_size_nm, other.voxel_size_nm
    if size is None or other_size is None:
        return None
    if not same_size(size, other_size):
        return (
            f"{other_name} has voxels of {comma_text(other_size)} nm, but {name} of {comma_text(size)} nm (z, y, x): "
            "give the level with the same voxels, or correct the voxel size of one"
        )
    away = [(b - a) / s for a, b, s in zip(one.offset_nm, other.offset_nm, size, strict=True)]
    if all(abs(voxels) <= _OFFSET_TOLERANCE for voxels in away):
        return None
    start = ",".join(str(first + round(voxels)) for first, voxels in zip(other.frame.start, away, strict=True))
    lost = name if not any(one.offset_nm) else "" if any(other.offset_nm) else other_name
    copy = f"; if {lost} has only lost its offset, copy the other without its own (voxome transfer --drop offset)"
    return (
        f"voxel 0,0,0 of {other_name} is at {comma_text(other.offset_nm)} nm, but that of {name} at "
        f"{comma_text(one.offset_nm)} nm (z, y, x), so their indices differ: "
        f"correct an offset, or add ?start={start} to the URI of {other_name}{copy if lost else ''}"
    )
