"""What Neuroglancer shows: which volumes, in which format, and with which dtype."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.axes import STANDARD
from voxome.resources.views import View
from voxome.resources.volume import Volume

_LOG = logging.getLogger(__name__)

_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32")
"""Those of Neuroglancer."""
_WIDER = {"bool": "uint8", "float16": "float32"}
"""Others → those that have the same numbers."""
_PRECOMPUTED_AXES = (("z", "y", "x"), ("c", "z", "y", "x"))
_NEAREST = {
    "float64": ("float32", "rounded to float32"),
    "int64": ("uint64", "as uint64: a negative number n as 2**64 + n"),
}
"""Others → those that have nearly the same numbers, and what becomes of these."""


class Converted(View):
    """A source with another dtype, in all levels.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    dtype : str
        Its dtype: floats are rounded, and integers wrap around.
    """

    def __init__(self, source: VolumeSource, dtype: str) -> None:
        spec, self._dtype = source.spec, np.dtype(dtype)
        fill = self._convert(np.array(spec.fill, spec.dtype)).item()
        converted = spec.replace(dtype=self._dtype, fill=fill, encoding=None)
        super().__init__(source, f"dtype={dtype}", converted, lambda level: Converted(level, dtype))

    def _read(self, box: Box) -> NDArray[Any]:
        return self._convert(self.source.read(box))

    def _convert(self, data: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore"):  # which gives infinity
            return data.astype(self._dtype)


def shown_format(spec: VolumeSpec, name: str) -> str:
    """Return the format in which Neuroglancer reads a volume: precomputed, or zarr for other axes and int64.

    Parameters
    ----------
    spec : VolumeSpec
        Volume to show.
    name : str
        Name of its layer, for messages.

    Raises
    ------
    InvalidInput
        If it has no voxels, or axes or a dtype that Neuroglancer does not show.
    """
    axes, dtype = spec.axes, spec.dtype.name
    if spec.domain.empty:
        raise InvalidInput(f"{name} has the shape {spec.domain.shape} and no voxels; give a volume that has some")
    if not {"y", "x"} <= set(axes) <= set(STANDARD):
        raise InvalidInput(
            f"{name} has the axes {'/'.join(axes)}; Neuroglancer shows y/x, with any of t, c and z before them: "
            "select the others first, as array[0]"
        )
    if axes in _PRECOMPUTED_AXES and dtype in (*_DTYPES, *_WIDER):
        return "precomputed"
    if dtype in (*_DTYPES, "int64"):  # which it reads as uint64
        return "zarr"
    raise InvalidInput(f"{name} is {dtype}, which Neuroglancer does not show; convert it to {', '.join(_DTYPES)}")


def as_shown(volume: Volume, name: str) -> Volume:
    """Return a volume with a dtype that Neuroglancer has; a warning says if numbers change.

    Parameters
    ----------
    volume : Volume
        Volume to show.
    name : str
        Name of its layer, for messages.

    Raises
    ------
    InvalidInput
        If it has no voxels, or axes or a dtype that cannot be shown.
    """
    given = volume.dtype.name
    dtype, change = _NEAREST.get(given, (_WIDER.get(given, given), ""))
    shown_format(volume.spec.replace(dtype=dtype, fill=0), name)
    if change:
        _LOG.warning("%s is %s, which Neuroglancer does not have; it is shown %s", name, given, change)
    return volume if dtype == given else Volume(Converted(volume.source, dtype), volume.reveal_uri())
