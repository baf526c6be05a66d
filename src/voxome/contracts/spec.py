"""The shape and meaning of a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.axes import default_axes

VolumeKind = Literal["image", "labels", "probability"]
"""What the voxels mean: it decides how they are averaged, coloured and encoded."""

Scale = tuple[int, int, int]
"""Voxels (z, y, x) of a finer array along one voxel of a coarser one."""


@dataclass(frozen=True)
class VolumeSpec:
    """The shape and meaning of one array, in the store's coordinates.

    The centre of the voxel with index i lies at ``offset_nm + i * voxel_size_nm``, its cell from half a voxel before to
    half a voxel after; ``docs/coordinates.md`` tells how each format's own convention is brought to this one.

    Attributes
    ----------
    domain : Box
        All voxels there are; ``domain.start`` is the store's own first index.
    dtype : numpy.dtype
        In native byte order.
    axes : tuple of str
        One name an axis; t, c, z, y, x in that order where the store names them.
    kind : {"image", "labels", "probability"}
        What the voxels mean.
    voxel_size_nm : (z, y, x) or None
        Edge lengths of a voxel in nm; None where the store does not say.
    offset_nm : (z, y, x)
        Position of the centre of voxel index 0, in nm.
    read_chunk, write_chunk : tuple of int or None
        Smallest pieces worth reading and safe to write side by side (the shard); None where there are none.
    fill : float or int
        The value of voxels that were never written.
    encoding : mapping, optional
        The format's own name and options; None takes its default.
    attributes : mapping
        What else the store says, or is to say: JSON values.
    """

    domain: Box
    dtype: np.dtype[Any]
    axes: tuple[str, ...] = ()
    kind: VolumeKind = "image"
    voxel_size_nm: tuple[float, float, float] | None = None
    offset_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    read_chunk: tuple[int, ...] | None = None
    write_chunk: tuple[int, ...] | None = None
    fill: float | int = 0
    encoding: Mapping[str, Any] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "axes", tuple(self.axes) or default_axes(self.domain.ndim))
        if len(self.axes) != self.domain.ndim or len(set(self.axes)) != len(self.axes):
            raise InvalidInput(f"axes {self.axes} do not name each of the {self.domain.ndim} axes once")
        for name in ("read_chunk", "write_chunk"):
            chunk = getattr(self, name)
            if chunk is not None and (len(chunk) != self.domain.ndim or min(chunk, default=1) < 1):
                raise InvalidInput(f"{name} {chunk} must have {self.domain.ndim} axes of at least 1 voxel")
        for name in ("voxel_size_nm", "offset_nm"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(float(length) for length in getattr(self, name)))
        size = self.voxel_size_nm
        if size is not None and (len(size) != 3 or min(size) <= 0):
            raise InvalidInput(f"voxel_size_nm {size} must be three positive lengths (z, y, x)")

    @classmethod
    def of(
        cls,
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        chunk: Sequence[int] | None = None,
        write_chunk: Sequence[int] | None = None,
        start: Sequence[int] | None = None,
        **others: Any,
    ) -> VolumeSpec:
        """A spec of `shape` that starts at `start` (the origin if None), in chunks of `chunk`.

        `write_chunk` is the smallest piece worth writing (a shard), `chunk` if None.

        Examples
        --------
        >>> VolumeSpec.of((64, 64, 64), "uint8", voxel_size_nm=(10, 10, 10)).axes
        ('z', 'y', 'x')
        """
        chunks = None if chunk is None else tuple(chunk)
        shards = chunks if write_chunk is None else tuple(write_chunk)
        return cls(Box.of_shape(shape, start), np.dtype(dtype), read_chunk=chunks, write_chunk=shards, **others)

    def replace(self, **changes: Any) -> VolumeSpec:
        """The same spec with some fields changed."""
        return replace(self, **changes)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The places of the z, y and x axes among `axes`."""
        return tuple(self.axes.index(name) for name in "zyx" if name in self.axes)

    @property
    def frame(self) -> Box:
        """The domain along z, y, x only.

        Raises
        ------
        InvalidInput
            If the volume lacks one of them.
        """
        if len(self.spatial) != 3:
            raise InvalidInput(f"a volume with axes z, y, x was expected, not {'/'.join(self.axes)}")
        return self.spatial_box(self.domain)

    def centre_nm(self, index: Sequence[float]) -> tuple[float, float, float]:
        """Return the position of the centre of the voxel at `index` (z, y, x; may be fractional), in nm.

        Raises
        ------
        InvalidInput
            If the voxel size is unknown.

        Examples
        --------
        >>> VolumeSpec.of((4, 4, 4), "uint8", voxel_size_nm=(40, 4, 4), offset_nm=(0, 2, 2)).centre_nm((1, 0, 3))
        (40.0, 2.0, 14.0)
        """
        if self.voxel_size_nm is None:
            raise InvalidInput("positions in nm need a voxel size, which this volume does not have")
        z, y, x = (o + i * size for o, i, size in zip(self.offset_nm, index, self.voxel_size_nm, strict=True))
        return (z, y, x)

    def spatial_box(self, box: Box) -> Box:
        """The z, y, x part of a box in all axes."""
        return Box(tuple(box.start[i] for i in self.spatial), tuple(box.stop[i] for i in self.spatial))

    def lift(self, box_zyx: Box) -> Box:
        """The box in all axes that spans `box_zyx`, the other axes whole."""
        start, stop = list(self.domain.start), list(self.domain.stop)
        for place, a, b in zip(self.spatial, box_zyx.start, box_zyx.stop, strict=True):
            start[place], stop[place] = a, b
        return Box(tuple(start), tuple(stop))
