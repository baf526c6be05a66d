"""Arguments that stand for a volume: a URI, a path, a `Volume` or a NumPy array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.arguments import require_count, require_lengths
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.contracts.uri import Location, Uri, location_text
from voxome.errors import InvalidBox, InvalidInput, ReadOnly, VoxomeError, describe_value
from voxome.geometry import Box
from voxome.resources.addresses import absolute
from voxome.resources.cast import require_unmasked
from voxome.resources.open import format_traits, open, open_source
from voxome.resources.views import View
from voxome.resources.volume import Volume

VolumeLike = Location | Volume | NDArray[Any]
"""Anything that `as_volume` takes."""

_ID_BYTES = 4
"""Integers of so many bytes or more are labels."""


class ArraySource:
    """A NumPy array as a source; it is read, never written.

    Parameters
    ----------
    array : array
        Voxels, by default along z, y and x; channels and time come before.
    voxel_size_nm : (z, y, x), optional
        Edge lengths of a voxel.
    """

    concurrent_writers = False

    def __init__(self, array: NDArray[Any], voxel_size_nm: Sequence[float] | None = None) -> None:
        if array.dtype.kind not in "biuf" or array.ndim == 0:
            raise InvalidInput(
                f"an array of {array.dtype} with {array.ndim} axes is not a volume; "
                "expected numbers along at least one axis"
            )
        size = None if voxel_size_nm is None else require_lengths("voxel_size_nm", voxel_size_nm)
        require_unmasked(array)
        self._array = np.asarray(array)
        self.spec = VolumeSpec.of(array.shape, array.dtype, kind=array_kind(array.dtype), voxel_size_nm=size)

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = self._array[box.within(self.spec.domain)]
        if out is None:
            return np.array(data, self.spec.dtype)
        if out.shape != box.shape:
            raise InvalidBox(f"out has shape {out.shape}, the box {box} has {box.shape}")
        out[...] = data
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly("an array that was passed as a volume is only read; assign to the array itself")

    def version(self) -> Version:
        return Version("array", pinned=False)


def array_kind(dtype: np.dtype[Any]) -> VolumeKind:
    """Return the kind of an array: integers of 32 and 64 bits are labels; everything else is an image."""
    return "labels" if dtype.kind in "iu" and dtype.itemsize >= _ID_BYTES else "image"


def as_volume(volume: VolumeLike, *, level: int = 0, voxel_size_nm: Sequence[float] | None = None) -> Volume:
    """Return `volume` as a `Volume`.

    Parameters
    ----------
    volume : str, path, Volume or array
        What it says.
    level : int
        Level of the pyramid; 0 is the finest.
    voxel_size_nm : (z, y, x), optional
        Voxel size of an array.

    Raises
    ------
    InvalidInput
        If it is something else, or if a voxel size is given for what has its own.
    NotFound, UnsupportedFormat, UnknownName, InvalidUri
    """
    require_count("level", level, 0)
    if isinstance(volume, np.ndarray):
        return Volume(ArraySource(volume, voxel_size_nm)).level(level)
    if voxel_size_nm is not None:
        raise InvalidInput("voxel_size_nm describes an array; a stored volume has its own")
    if isinstance(volume, Volume):
        return volume.level(level) if level else volume
    return open(require_location(volume), expect=Volume, level=level or None)


def require_location(value: object) -> str:
    """Return a URI or path as text.

    Raises
    ------
    InvalidInput
        If it is neither, nor anything else that means a volume.
    """
    if isinstance(value, list | tuple):
        raise InvalidInput(
            f"a {type(value).__name__} of {len(value)} is not a volume; expected one URI, path, voxome.Volume or NumPy "
            "array: make an array of numbers with numpy.array(…), and open volumes one by one"
        )
    if not isinstance(value, str | os.PathLike):
        raise InvalidInput(
            f"{describe_value(value)} ({type(value).__name__}) is not a volume; expected a URI, a path, a "
            "voxome.Volume or a NumPy array"
        )
    return location_text(value)


def location_of(volume: Volume) -> str | None:
    """Return the URI by which other processes can open a volume, or None.

    A URI with secrets is refused, since it would be recorded.
    """
    scheme = volume.uri.partition("://")[0] if "://" in volume.uri else ""
    if volume.reveal_uri() != volume.uri or not scheme or format_traits(scheme).one_process:
        return None
    if not opens(volume.uri, volume.source):
        return None
    return str(absolute(Uri.parse(volume.uri)))


def opens(uri: str, source: VolumeSource) -> bool:
    """Whether opening `uri` gives the voxels of `source`, not those of another level, order of axes or wrapper."""
    try:
        return _is_alike(open_source(uri), source)
    except VoxomeError:
        return False


def _is_alike(first: VolumeSource, second: VolumeSource) -> bool:
    if type(first) is not type(second) or _comparable_facts(first) != _comparable_facts(second):
        return False
    if isinstance(first, View) and isinstance(second, View):
        return first.option == second.option and _is_alike(first.source, second.source)
    return True


def _comparable_facts(source: VolumeSource) -> tuple[object, ...]:
    spec = source.spec
    return spec.domain, spec.dtype, spec.axes, spec.voxel_size_nm, spec.offset_nm
