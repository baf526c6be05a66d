"""The attribute in which voxome keeps what zarr and OME-Zarr have no place for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxome.contracts.spec import VolumeSpec

OWN = "voxome"
"""Its name."""

RESERVED = (OWN, "ome", "multiscales", "omero", "image-label", "_ARRAY_DIMENSIONS")
"""Attributes that describe the array itself; a spec's `attributes` leaves them out."""


def own(spec: VolumeSpec) -> dict[str, Any]:
    """The attribute for `spec`: kind, first index, and place where there is one."""
    found: dict[str, Any] = {"kind": spec.kind}
    if any(spec.domain.start):
        found["start"] = list(spec.domain.start)
    if spec.voxel_size_nm is not None:
        found["voxel_size_nm"] = [float(size) for size in spec.voxel_size_nm]
    if any(spec.offset_nm):
        found["offset_nm"] = [float(at) for at in spec.offset_nm]
    return {OWN: found}


def others(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """All attributes but those that describe the array itself."""
    return {key: value for key, value in attributes.items() if key not in RESERVED}
