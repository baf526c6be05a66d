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
        If it has other axes, or its voxels are not integers, or an image. Integers of one byte are labels only if
        their store says so.
    """
    volume = as_volume(labels)
    if volume.dtype.kind not in "iu" or volume.ndim != 3:
        name, axes = volume.uri or "the array", "/".join(volume.axes)
        raise InvalidInput(f"{name} has axes {axes} and dtype {volume.dtype}; expected integer labels along z, y and x")
    if (
        volume.uri
        and volume.spec.kind != "labels"
        and (volume.spec.kind == "probability" or volume.dtype.itemsize == 1)
    ):
        raise InvalidInput(
            f"{volume.uri} is {volume.spec.kind} data of {volume.dtype}; expected a label volume (if these are labels, "
            "copy them with `voxome put … --kind labels`)"
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
