"""Volumes that are labels, not images."""

from __future__ import annotations

from voxome.contracts.levels import Level
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri, with_options
from voxome.errors import InvalidInput
from voxome.resources.open import open_source
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


def corner_of_voxel_0(volume: Volume) -> tuple[float, float, float]:
    """Return the corner of voxel 0 of a volume, or a level of one, from that of level 0: there, shapes have their 0.

    It is 0 but for levels that were made by striding, or whose metadata have no position.

    Parameters
    ----------
    volume : Volume
        A volume, or a level of one, whichever way it was opened.

    Returns
    -------
    (z, y, x)
        In nm.
    """
    finest = _finest(volume)
    if finest.voxel_size_nm is None or volume.voxel_size_nm is None:
        return 0.0, 0.0, 0.0
    corners = (
        [place - size / 2 for place, size in zip(offset, sizes, strict=True)]
        for offset, sizes in (
            (finest.offset_nm, finest.voxel_size_nm),
            (volume.spec.offset_nm, volume.voxel_size_nm),
        )
    )
    z, y, x = (round(there - here, 9) for here, there in zip(*corners, strict=True))
    return z, y, x


def require_corner(level: Volume) -> None:
    """Raise an error unless voxel 0 of a level begins where that of level 0 does; see `corner_of_voxel_0`."""
    corner = corner_of_voxel_0(level)
    if any(corner):
        raise InvalidInput(
            f"{level.uri or 'the level'} does not begin at the corner of level 0, but {corner} nm from it, "
            "as with levels that keep every n-th voxel; use level 0, or another pyramid"
        )


def _finest(volume: Volume) -> Level | VolumeSpec:
    """Return voxel size and position of level 0."""
    if volume.finest is not None:
        return volume.finest
    uri = volume.reveal_uri()
    number = Uri.parse(uri).query.get("level", "0") if uri else "0"
    if number == "0":
        return volume.spec
    return open_source(with_options(uri, level=0)).spec
