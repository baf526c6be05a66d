"""``array(uri)``: a volume as users of intern write it.

The words of its options are those of ``intern.array`` 1.4.2; what comes back is our `Volume`, indexed as numpy indexes.
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
"""What intern makes an image channel of; all else are annotations."""

_OF_BOSSDB = {
    "downsample_levels": "levels",
    "downsample_method": "hierarchy_method",
    "coordinate_frame_name": "coordinate_frame",
    "source_channel": "sources",
}
"""intern's word and ours for what a new BossDB channel may be told beside its spec."""


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
    """Open a volume of any store for reading and, where it lets us, for writing; or make one.

    Parameters
    ----------
    uri : str
        As ``bossdb://collection/experiment/channel`` or any other that `open` takes.
    resolution : int
        Level of the pyramid; 0 is the finest.
    axis_order : {"ZYX", "XYZ"}
        The second gives the same voxels with their axes turned round, as a view of the store.
    create_new : bool
        Make the volume; the options below are for that.
    dtype : dtype
        Of a voxel. uint8 and uint16 make images, all else labels.
    extents : (z, y, x)
        Shape in voxels.
    voxel_size : (z, y, x)
        Edge lengths of a voxel, in `voxel_unit`.
    voxel_unit : str
        As ``"nanometers"`` or ``"micrometers"``.
    description : str, optional
        Kept as an attribute of the volume.
    **store
        What else a BossDB takes: `downsample_levels` (1 where intern has 6), `downsample_method`,
        `coordinate_frame_name`, `source_channel`.

    Returns
    -------
    Volume
        numpy-like; opened for reading only where the store refuses writing.

    Raises
    ------
    InvalidInput
        If `create_new` lacks an option, an option is given without it, or an axis order or unit is not known.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri, AlreadyExists

    Examples
    --------
    >>> import voxome
    >>> made = voxome.array("memory://new", create_new=True, dtype="uint8", extents=(4, 5, 6), voxel_size=(40, 4, 4))
    >>> made[0:2, 0, ::2] = 9
    >>> voxome.array("memory://new", axis_order="XYZ")[0, 0, 0:3]
    array([9, 9, 0], dtype=uint8)
    """
    if axis_order.upper() not in ("ZYX", "XYZ"):
        raise InvalidInput(f"axis_order {axis_order!r}: ZYX and XYZ are known")
    if unknown := sorted(set(store) - set(_OF_BOSSDB)):
        raise UnknownName.of("array option", unknown[0], _OF_BOSSDB)
    asked = {"dtype": dtype, "extents": extents, "voxel_size": voxel_size}
    if create_new:
        volume = create(uri, _spec(asked, voxel_unit, description, store))
    else:
        given = [name for name, value in {**asked, "description": description, **store}.items() if value is not None]
        if given:
            raise InvalidInput(f"{', '.join(given)} describe a new volume: add create_new=True, or leave them out")
        volume = _writable(uri, resolution)
    if axis_order.upper() == "ZYX":
        return volume
    return Volume(Transposed(volume.source, volume.uri), volume.uri)


def _writable(uri: str, resolution: int) -> Volume:
    """Opened for writing too, unless the store or its format does not take that."""
    level = resolution or None
    try:
        return open(uri, expect=Volume, mode="r+", level=level)
    except (PermissionError, UnsupportedFormat):
        return open(uri, expect=Volume, level=level)


def _spec(asked: dict[str, Any], unit: str, description: str | None, store: dict[str, Any]) -> VolumeSpec:
    lacking = [name for name, value in asked.items() if value is None]
    if lacking:
        raise InvalidInput(f"a new volume needs {', '.join(lacking)} too; extents and voxel_size are (z, y, x)")
    nm = nm_per(unit)
    if nm is None:
        raise InvalidInput(f"voxel_unit {unit!r} is no length; write nanometers, micrometers, millimeters, …")
    dtype = np.dtype(asked["dtype"])
    given = {_OF_BOSSDB[name]: value for name, value in store.items() if value is not None}
    if isinstance(given.get("sources"), str):
        given["sources"] = [given["sources"]]
    return VolumeSpec.of(
        asked["extents"],
        dtype,
        kind="image" if dtype in _IMAGES else "labels",
        voxel_size_nm=tuple(length * nm for length in asked["voxel_size"]),
        attributes={} if description is None else {"description": description},
        encoding=given or None,
    )
