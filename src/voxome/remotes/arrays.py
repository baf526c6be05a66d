"""Arrays that enter and leave a source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import Mode
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, ReadOnly
from voxome.geometry import Box


def allocate(box: Box, spec: VolumeSpec, out: NDArray[Any] | None) -> NDArray[Any]:
    """Return the array for the voxels of `box` to be read into: `out`, or a new one.

    Raises
    ------
    InvalidBox
        If the box leaves the domain, or `out` has another shape.
    """
    box.within(spec.domain)
    if out is None:
        return np.empty(box.shape, spec.dtype)
    if out.shape != box.shape:
        raise InvalidBox(f"out has shape {out.shape}, the box {box} has {box.shape}")
    return out


def copy_out(data: NDArray[Any], dtype: np.dtype[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    """Return `data` in `out`, or as a new array of `dtype`."""
    if out is None:
        return np.array(data, dtype=dtype, order="C")
    out[...] = data
    return out


def require_writable(name: str, mode: Mode) -> None:
    """Refuse to write into what is open for reading.

    Raises
    ------
    ReadOnly
        If `mode` is ``"r"``.
    """
    if mode == "r":
        raise ReadOnly(f"{name} is open for reading; open it with mode='r+'")


def writable_slices(name: str, mode: Mode, box: Box, data: NDArray[Any], domain: Box) -> tuple[slice, ...]:
    """Return the slices of an array over `domain` that writing `data` to `box` fills.

    Raises
    ------
    ReadOnly
        If `mode` is ``"r"``.
    InvalidBox
        If the box leaves the domain, or the data are of another shape.
    """
    require_writable(name, mode)
    if data.shape != box.shape:
        raise InvalidBox(f"data of shape {data.shape} do not fill the box {box} of shape {box.shape}")
    return box.within(domain)
