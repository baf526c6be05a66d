"""Frames of steps: the voxels of the first volume, or of the volume from which the first table was computed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from voxome.contracts.frame import ASSUMED_NM, Frame
from voxome.contracts.handle import STORE, Handle
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box


def frame_of_volumes(handles: Mapping[str, Handle], volumes: Mapping[str, VolumeSpec]) -> Frame:
    """Return the frame of a step with these volumes: the voxels of the first one.

    Raises
    ------
    InvalidInput
        If the box is empty or not inside the first volume, or if the volumes do not have the same voxels.
    """
    first = next(iter(volumes))
    handle, spec = handles[first], volumes[first]
    domain = spec.frame
    box = handle.region or domain
    if box.ndim != 3 or box.empty or box not in domain:
        raise InvalidInput(f"the box {box} is not in {handle.uri}: give a non-empty Z0:Z1,Y0:Y1,X0:X1 inside {domain}")
    size = handle.voxel_size_nm or spec.voxel_size_nm
    for name, other in list(volumes.items())[1:]:
        if other.frame != domain:
            raise InvalidInput(
                f"{name} ({handles[name].uri}) spans {other.frame}, but {first} ({handle.uri}) spans {domain}: the "
                "volumes of a step must have the same voxels"
            )
        other_size = handles[name].voxel_size_nm or other.voxel_size_nm
        if size and other_size and not _are_close(size, other_size):
            raise InvalidInput(f"{name} has voxels of {other_size} nm, but {first} of {size} nm (z, y, x)")
    return Frame(domain, box, size, spec.offset_nm)


def frame_of_tables(handles: Mapping[str, Handle]) -> Frame | None:
    """Return the frame of the volume that the first table was computed from; None if it is unknown."""
    for handle in handles.values():
        if handle.domain is not None:
            domain = Box.parse(handle.domain)
            return Frame(domain, handle.region or domain, handle.voxel_size_nm, handle.offset_nm or (0.0, 0.0, 0.0))
    return None


def size_warnings(handle: Handle, frame: Frame) -> list[str]:
    """Return the warning for a volume from outside whose voxel size is unknown."""
    if frame.voxel_size_nm is not None or STORE in handle.uri:
        return []
    return [
        f"{handle.uri} has no voxel size: lengths in nm stay empty, and parameters in nm assume {ASSUMED_NM[0]:g} nm "
        "voxels; set it with --voxel-size Z,Y,X"
    ]


def _are_close(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(one, other, strict=True))
