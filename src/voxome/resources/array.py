"""``array(uri)``: open or create a volume with the arguments of ``intern.array``.

Names of arguments are those of intern 1.4.2; the result is a `Volume`, which is indexed as numpy arrays are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat
from voxome.geometry.units import nm_per
from voxome.resources.open import create, open
from voxome.resources.transposed import Transposed
from voxome.resources.volume import Volume

_IMAGES = (np.uint8, np.uint16)
"""Data types of image channels in intern; all others are annotations."""

_BOSSDB_OPTIONS = {
    "downsample_levels": "levels",
    "downsample_method": "hierarchy_method",
    "coordinate_frame_name": "coordinate_frame",
    "source_channel": "sources",
}
"""Option of a new BossDB channel in intern → in voxome."""


def array(
    uri: str,
    resolution: int = 0,
    *,
    axis_order: str = "ZYX",
    create_new: bool = False,
    dtype: DTypeLike | None = None,
    extents: Sequence[int] | None = None,
    voxel_size: Sequence[float] | None = None,
    voxel_unit: str = "nanometers",
    description: str | None = None,
    **store: Any,
) -> Volume:
    """Open a volume of any store, for writing too where possible; or create one.

    Parameters
    ----------
    uri : str
        ``bossdb://collection/experiment/channel``, or any other URI that `open` takes.
    resolution : int
        Level of the pyramid; 0 is the finest.
    axis_order : {"ZYX", "XYZ"}
        Order of the axes of the result.
    create_new : bool
        Create the volume; the arguments below describe it.
    dtype : dtype
        Voxel data type: uint8 and uint16 for images, all others for labels.
    extents : (z, y, x)
        Shape in voxels.
    voxel_size : (z, y, x)
        Edge lengths of a voxel, in `voxel_unit`.
    voxel_unit : str
        ``"nanometers"``, ``"micrometers"``, …
    description : str, optional
        Stored as an attribute of the volume.
    **store
        Options of a BossDB: `downsample_levels` (1 where intern has 6), `downsample_method`,
        `coordinate_frame_name`, `source_channel`.

    Returns
    -------
    Volume
        Opened for reading only where the store refuses writing.

    Raises
    ------
    InvalidInput
        If arguments of a new volume are missing, or given without `create_new`, or an axis order or unit is unknown.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri, AlreadyExists

    Examples
    --------
    >>> import voxome
    >>> new = voxome.array("memory://new", create_new=True, dtype="uint8", extents=(4, 5, 6), voxel_size=(40, 4, 4))
    >>> new[0:2, 0, ::2] = 9
    >>> voxome.array("memory://new", axis_order="XYZ")[0, 0, 0:3]
    array([9, 9, 0], dtype=uint8)
    """
    if axis_order.upper() not in ("ZYX", "XYZ"):
        raise InvalidInput(f"unknown axis_order {axis_order!r}; use ZYX or XYZ")
    if unknown := sorted(set(store) - set(_BOSSDB_OPTIONS)):
        raise UnknownName.of("array option", unknown[0], _BOSSDB_OPTIONS)
    required = {"dtype": dtype, "extents": extents, "voxel_size": voxel_size}
    if create_new:
        volume = create(uri, _spec(required, voxel_unit, description, store))
    else:
        options = {**required, "description": description, **store}
        if used := [name for name, value in options.items() if value is not None]:
            raise InvalidInput(f"{', '.join(used)} describe a new volume; add create_new=True, or leave them out")
        volume = _writable(uri, resolution)
    if axis_order.upper() == "ZYX":
        return volume
    return Volume(Transposed(volume.source, volume.uri), volume.uri)


def _writable(uri: str, resolution: int) -> Volume:
    """Open a volume for writing, or for reading where the store or its format does not support that."""
    level = resolution or None
    try:
        return open(uri, expect=Volume, mode="r+", level=level)
    except (PermissionError, UnsupportedFormat):
        return open(uri, expect=Volume, level=level)


def _spec(required: dict[str, Any], unit: str, description: str | None, store: dict[str, Any]) -> VolumeSpec:
    missing = [name for name, value in required.items() if value is None]
    if missing:
        raise InvalidInput(f"a new volume also needs {', '.join(missing)}; extents and voxel_size are (z, y, x)")
    nm = nm_per(unit)
    if nm is None:
        raise InvalidInput(f"voxel_unit {unit!r} is not a unit of length; use nanometers, micrometers, millimeters, …")
    dtype = np.dtype(required["dtype"])
    encoding = {_BOSSDB_OPTIONS[name]: value for name, value in store.items() if value is not None}
    if isinstance(encoding.get("sources"), str):
        encoding["sources"] = [encoding["sources"]]
    return VolumeSpec.of(
        required["extents"],
        dtype,
        kind="image" if dtype in _IMAGES else "labels",
        voxel_size_nm=tuple(length * nm for length in required["voxel_size"]),
        attributes={} if description is None else {"description": description},
        encoding=encoding or None,
    )
