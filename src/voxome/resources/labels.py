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
