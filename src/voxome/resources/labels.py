"""Volumes that are labels, not images."""

from __future__ import annotations

from voxome.errors import InvalidInput
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume


def require_labels(labels: VolumeLike) -> Volume:
    """Open a volume of labels (z, y, x).

    Raises
    ------
    InvalidInput
        If it has other axes, or its voxels are not integers, or an image; see `require_ids`.
    """
    volume = as_volume(labels)
    if volume.dtype.kind not in "iu" or volume.ndim != 3:
        name, axes = volume.uri or "the array", "/".join(volume.axes)
        hint = "; a mask becomes labels by .astype('uint8')" if volume.dtype == bool else ""
        raise InvalidInput(
            f"{name} has axes {axes} and dtype {volume.dtype}; expected integer labels along z, y and x{hint}"
        )
    return require_ids(volume)


def require_ids(volume: Volume) -> Volume:
    """Return a volume whose voxels are ids, or booleans, along any axes.

    Raises
    ------
    InvalidInput
        If they are others, or an image: integers of one byte in a store are ids only if the store says so.
    """
    kind, dtype, name = volume.spec.kind, volume.dtype, volume.uri or "the array"
    is_image = volume.uri and kind != "labels" and (kind == "probability" or dtype.itemsize == 1)
    if dtype.kind not in "biu" or is_image:
        raise InvalidInput(
            f"{name} is {kind} data of {dtype}; expected a label volume (if these are labels, copy them with "
            "`voxome put … --kind labels`)"
        )
    return volume


def corner_of_level(volume: Volume, number: int) -> tuple[float, float, float]:
    """Return the corner of voxel 0 of a level of a pyramid, from that of level 0, where the frame of shapes begins.

    It is 0 but for levels that were made by striding, or whose metadata have no position.

    Parameters
    ----------
    volume : Volume
        A volume, whose levels are known.
    number : int
        Level of the pyramid.

    Returns
    -------
    (z, y, x)
        In nm.
    """
    if not number:
        return 0.0, 0.0, 0.0
    finest, level = volume.levels[0], volume.levels[number]
    if finest.voxel_size_nm is None or level.voxel_size_nm is None:
        return 0.0, 0.0, 0.0
    corners = (
        [place - size / 2 for place, size in zip(one.offset_nm, one.voxel_size_nm, strict=True)]  # type: ignore[arg-type]
        for one in (finest, level)
    )
    z, y, x = (round(there - here, 9) for here, there in zip(*corners, strict=True))
    return z, y, x
