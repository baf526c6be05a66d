"""Shape and meaning of a volume."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, Unpack, cast, get_args

import numpy as np
from numpy.typing import DTypeLike

from voxome.calls import explain_calls, explain_construction
from voxome.contracts.arguments import (
    require_index,
    require_indices,
    require_lengths,
    require_mapping,
    require_number,
    require_position,
)
from voxome.errors import InvalidInput, UnknownName, describe_value
from voxome.geometry import Box
from voxome.geometry.axes import default_axes

VolumeKind = Literal["image", "labels", "probability"]
"""Meaning of the voxels, by which they are averaged, coloured and encoded."""

Scale = tuple[int, int, int]
"""Voxels (z, y, x) of a finer array along one voxel of a coarser one."""

VOXEL_SIZE_ADVICE = (
    "give it in nm with --voxel-size Z,Y,X, or write a copy that has it: voxome put … --voxel-size Z,Y,X"
)
"""What to do about a volume without a voxel size."""
UNKNOWN_VOXEL_SIZE = f"the voxel size is unknown, but lengths are in micrometres: {VOXEL_SIZE_ADVICE}"
"""What tools say of an input without a voxel size: one sentence, so that a plan gives it once for all of its steps."""

_OWN = ("shape", "dtype", "chunk", "write_chunk", "start")
"""Arguments of `VolumeSpec.of` besides `SpecOptions`."""


class SpecOptions(TypedDict, total=False):
    """Fields of a `VolumeSpec` that `VolumeSpec.of` takes as they are."""

    axes: Sequence[str]
    kind: VolumeKind
    voxel_size_nm: Sequence[float] | None
    offset_nm: Sequence[float]
    fill: float | int
    encoding: Mapping[str, Any] | None
    attributes: Mapping[str, Any]


class SpecChanges(SpecOptions, total=False):
    """Fields of a `VolumeSpec` that `VolumeSpec.replace` changes."""

    domain: Box
    dtype: DTypeLike
    read_chunk: Sequence[int] | None
    write_chunk: Sequence[int] | None


LAST_INDEX = (1 << 62) - 2
"""Largest index of a voxel, as in tensorstore."""


@explain_construction
@dataclass(frozen=True)
class VolumeSpec:
    """Shape and meaning of one array, in the store's coordinates.

    The centre of the voxel with index i is at ``offset_nm + i * voxel_size_nm``, and the voxel extends half its size to
    either side; ``docs/coordinates.md`` relates the conventions of all formats to this one.

    Attributes
    ----------
    domain : Box
        Extent of the array; ``domain.start`` is the store's first index.
    dtype : numpy.dtype
        In native byte order.
    axes : tuple of str
        Name of each axis; t, c, z, y, x in that order where the store names them.
    kind : {"image", "labels", "probability"}
        Meaning of the voxels.
    voxel_size_nm : (z, y, x) or None
        Edge lengths of a voxel in nm; None if unknown.
    offset_nm : (z, y, x)
        Position of the centre of voxel index 0, in nm.
    read_chunk, write_chunk : tuple of int or None
        Shape of a chunk, the smallest piece worth reading, and of a shard, the smallest that several processes may
        write at once; None where the array is not divided.
    fill : float or int
        Value of voxels that were never written.
    encoding : mapping, optional
        Options of the format; None for its default.
    attributes : mapping
        Further JSON values that the store has, or should have.
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
        if not isinstance(self.domain, Box):
            raise InvalidInput(
                f"domain is {describe_value(self.domain)}; expected a voxome.Box, as Box((0, 0, 0), (64, 64, 64))"
            )
        if not self.domain.empty and max(map(abs, (*self.domain.start, *self.domain.stop))) > LAST_INDEX:
            raise InvalidInput(f"domain is {self.domain}; indices beyond {LAST_INDEX:,} are not supported")
        object.__setattr__(self, "dtype", parse_dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "axes", _axes(self.axes, self.domain.ndim))
        for name in ("read_chunk", "write_chunk"):
            require_chunk(name, getattr(self, name), self.axes)
        if self.voxel_size_nm is not None:
            object.__setattr__(self, "voxel_size_nm", require_lengths("voxel_size_nm", self.voxel_size_nm))
        object.__setattr__(self, "offset_nm", require_position("offset_nm", self.offset_nm))
        if self.kind not in get_args(VolumeKind):
            raise UnknownName.of("kind", self.kind, get_args(VolumeKind))
        require_number("fill", self.fill)
        require_mapping("attributes", self.attributes, "{'sample': 'A1'}")
        if self.encoding is not None:
            require_mapping("encoding", self.encoding, "{'codec': 'zstd'}")

    @classmethod
    @explain_calls
    def of(
        cls,
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        chunk: Sequence[int] | None = None,
        write_chunk: Sequence[int] | None = None,
        start: Sequence[int] | None = None,
        **options: Unpack[SpecOptions],
    ) -> VolumeSpec:
        """Return a spec by shape and chunk.

        Parameters
        ----------
        shape : sequence of int
            Number of voxels along each axis.
        dtype : dtype
            Voxel data type.
        chunk : sequence of int, optional
            Shape of a chunk.
        write_chunk : sequence of int, optional
            Shape of a shard; `chunk` if None.
        start : sequence of int, optional
            First index; the origin if None.
        **options
            Other fields of the spec.

        Examples
        --------
        >>> VolumeSpec.of((64, 64, 64), "uint8", voxel_size_nm=(10, 10, 10)).axes
        ('z', 'y', 'x')
        """
        extent = require_indices("shape", shape, 0)
        origin = None if start is None else require_indices("start", start)
        axes = _axes(options.get("axes", ()), len(extent))
        chunks = require_chunk("chunk", chunk, axes)
        shards = chunks if write_chunk is None else require_chunk("write_chunk", write_chunk, axes)
        _check_names(options, (*_OWN, *SpecOptions.__annotations__))
        fields = cast("Any", options)
        return cls(Box.of_shape(extent, origin), parse_dtype(dtype), read_chunk=chunks, write_chunk=shards, **fields)

    def replace(self, **changes: Unpack[SpecChanges]) -> VolumeSpec:
        """Return the spec with some fields changed."""
        _check_names(changes, SpecChanges.__annotations__)
        return replace(self, **cast("Any", changes))

    @property
    def spatial(self) -> tuple[int, ...]:
        """Positions of z, y and x in `axes`."""
        return tuple(self.axes.index(name) for name in "zyx" if name in self.axes)

    @property
    def frame(self) -> Box:
        """Domain along z, y and x.

        Raises
        ------
        InvalidInput
            If the volume lacks one of them.
        """
        if len(self.spatial) != 3:
            raise InvalidInput(f"expected a volume with axes z, y and x, not {'/'.join(self.axes)}")
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
            raise InvalidInput("cannot compute positions in nm: the voxel size of this volume is unknown")
        at = require_index("index", index)
        z, y, x = (o + i * size for o, i, size in zip(self.offset_nm, at, self.voxel_size_nm, strict=True))
        return (z, y, x)

    def spatial_box(self, box: Box) -> Box:
        """Return the part of a box along z, y and x."""
        return Box(tuple(box.start[i] for i in self.spatial), tuple(box.stop[i] for i in self.spatial))

    def lift(self, box_zyx: Box) -> Box:
        """Return the box that is `box_zyx` along z, y and x, and the domain along the other axes."""
        start, stop = list(self.domain.start), list(self.domain.stop)
        for axis, first, end in zip(self.spatial, box_zyx.start, box_zyx.stop, strict=True):
            start[axis], stop[axis] = first, end
        return Box(tuple(start), tuple(stop))


def parse_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the NumPy dtype that `dtype` names.

    Raises
    ------
    InvalidInput
        If NumPy does not know it, or it is None.
    """
    try:
        if dtype is None:  # which NumPy takes as float64
            raise TypeError
        return np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"Unknown dtype {describe_value(dtype)}; use a NumPy dtype such as uint8") from error


def require_fill(fill: Any, dtype: np.dtype[Any], name: str = "fill") -> Any:
    """Return the value of voxels of `dtype` that were never written, as a Python number; floats are rounded.

    Parameters
    ----------
    fill : number
        The value.
    dtype : numpy.dtype
        Of the voxels.
    name : str
        What the caller calls the value, for messages.

    Raises
    ------
    InvalidInput
        If `dtype` cannot represent `fill`.
    """
    try:
        value = dtype.type(fill).item()
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} {fill!r} is not a valid {dtype}; expected {_values_of(dtype)}") from error
    if not isinstance(value, float) and value != fill:
        raise InvalidInput(f"{name} {fill!r} is not a valid {dtype}; expected {_values_of(dtype)}")
    return value


def _values_of(dtype: np.dtype[Any]) -> str:
    """Return what voxels of a dtype can be, for messages."""
    if dtype.kind not in "iu":
        return "true or false" if dtype.kind == "b" else "a number"
    return f"a whole number from {np.iinfo(dtype).min} to {np.iinfo(dtype).max}"


def require_chunk(name: str, chunk: Sequence[int] | None, axes: Sequence[str]) -> tuple[int, ...] | None:
    """Return the shape of a chunk, or None; `name` is what the caller has called it.

    Raises
    ------
    InvalidInput
        If it is not a number of at least 1 voxel for each axis.
    """
    if chunk is None:
        return None
    shape = require_indices(name, chunk, 1)
    if len(shape) != len(axes):
        raise InvalidInput(f"{name} {shape} should have {len(axes)} axes ({'/'.join(axes)}) of at least 1 voxel")
    return shape


def _axes(axes: Sequence[str], ndim: int) -> tuple[str, ...]:
    """Return the names of the axes, by default those of an array that has none."""
    if not isinstance(axes, Sequence) or not all(isinstance(axis, str) for axis in axes):
        raise InvalidInput(f"axes is {describe_value(axes)}; expected a name for each axis, such as 'zyx'")
    names = tuple(axes) or default_axes(ndim)
    if len(names) != ndim or len(set(names)) != len(names):
        raise InvalidInput(f"axes {names} should name each of the {ndim} axes once")
    return names


def _check_names(fields: Mapping[str, Any], known: Collection[str]) -> None:
    for name in fields:
        if name not in known:
            raise UnknownName.of("field of a VolumeSpec", name, known)
