"""Sources that show another source: named axes, one channel or time, another first index, a window of grey values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.contracts.abilities import (
    Ability,
    SupportsAttributes,
    SupportsLevels,
    SupportsMetadata,
    SupportsProvenance,
    SupportsVoxelVersion,
    ability,
)
from voxome.contracts.levels import Level
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import InvalidBox, InvalidInput, ReadOnly
from voxome.geometry import Box
from voxome.geometry.axes import standard_order

_FORWARDED = (SupportsAttributes, SupportsMetadata, SupportsProvenance, SupportsVoxelVersion)
"""Abilities that do not depend on how voxels are seen."""
Wrap = Callable[[VolumeSource], VolumeSource]
"""Makes the same view of another source."""


class View(ABC):
    """A source that is read through another one, and not written.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    option : str
        The option of the URI that asks for the view, as ``c=1``.
    spec : VolumeSpec
        Spec of the view.
    wrap : callable, optional
        Makes the view of a level, if levels look alike.
    """

    concurrent_writers = False

    def __init__(self, source: VolumeSource, option: str, spec: VolumeSpec, wrap: Wrap | None = None) -> None:
        self.source, self.option, self._spec, self._wrap = source, option, spec, wrap

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read `box`, into `out` if it is not None."""
        data = self._read(box)
        if out is None:
            return data
        if out.shape != box.shape:
            raise InvalidBox(f"out has shape {out.shape}, the box {box} has {box.shape}")
        out[...] = data
        return out

    @abstractmethod
    def _read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Refuse to write."""
        raise ReadOnly(f"a view (?{self.option}) is only read; write to the volume itself")

    def version(self) -> Version:
        """Return the state of the source, under a token of its own."""
        version = self.source.version()
        return replace(version, token=f"{version.token}?{self.option}")

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return the attributes, metadata and version of the source, and its levels where they look alike."""
        if protocol in _FORWARDED:
            return ability(self.source, protocol)
        if protocol is SupportsLevels and self._wrap is not None:
            levels = ability(self.source, SupportsLevels)
            view = None if levels is None else _ViewLevels(levels, self._wrap)
            return view if isinstance(view, protocol) else None
        return None


class _ViewLevels:
    """The levels of a pyramid, each seen through the same view."""

    def __init__(self, pyramid: SupportsLevels, wrap: Wrap) -> None:
        self._pyramid, self._wrap = pyramid, wrap

    @property
    def levels(self) -> Sequence[Level]:
        return self._pyramid.levels

    def level(self, number: int) -> VolumeSource:
        return self._wrap(self._pyramid.level(number))

    def create_level(self, scale: Scale) -> VolumeSource:
        raise ReadOnly("a view is only read; add levels to the volume itself")


class Renamed(View):
    """A source whose axes have other names, in the order t, c, z, y, x.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    axes : str
        A letter for each axis of the source.
    name : str
        URI of the volume, for messages.

    Raises
    ------
    InvalidInput
        If the number of axes differs.
    """

    def __init__(self, source: VolumeSource, axes: str, name: str) -> None:
        spec = source.spec
        if len(axes) != spec.domain.ndim:
            raise InvalidInput(
                f"{name} has {spec.domain.ndim} axes and the shape {spec.domain.shape}, so ?axes={axes} cannot name "
                f"them; give {spec.domain.ndim} of the letters t, c, z, y, x"
            )
        self._order = standard_order(axes)
        renamed = spec.replace(
            domain=Box(self._ordered(spec.domain.start), self._ordered(spec.domain.stop)),
            axes=self._ordered(axes),
            read_chunk=spec.read_chunk and self._ordered(spec.read_chunk),
            write_chunk=spec.write_chunk and self._ordered(spec.write_chunk),
        )
        super().__init__(source, f"axes={axes}", renamed)

    def _ordered(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[i] for i in self._order)

    def _read(self, box: Box) -> NDArray[Any]:
        stored = np.argsort(self._order)
        inner = Box(tuple(box.start[i] for i in stored), tuple(box.stop[i] for i in stored))
        return self.source.read(inner).transpose(self._order)


class Selected(View):
    """One channel or time of a source.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    axis : {"c", "t"}
        Axis to leave out.
    index : int
        Index along it, in the store's coordinates.
    name : str
        URI of the volume, for messages.

    Raises
    ------
    InvalidInput
        If there is no such axis, or no such index.
    """

    def __init__(self, source: VolumeSource, axis: str, index: int, name: str) -> None:
        spec = source.spec
        if axis not in spec.axes:
            raise InvalidInput(
                f"{name} has the axes {'/'.join(spec.axes)} and no {axis}: leave out ?{axis}=, or name its axes with "
                "?axes=, as ?axes=zyxc"
            )
        self._axis, self._index = spec.axes.index(axis), index
        first, end = spec.domain.start[self._axis], spec.domain.stop[self._axis]
        if not first <= index < end:
            raise InvalidInput(f"{name} has no {axis} {index}; give one from {first} to {end - 1}")
        selected = spec.replace(
            domain=Box(self._without(spec.domain.start), self._without(spec.domain.stop)),
            axes=self._without(spec.axes),
            read_chunk=spec.read_chunk and self._without(spec.read_chunk),
            write_chunk=spec.write_chunk and self._without(spec.write_chunk),
        )
        super().__init__(source, f"{axis}={index}", selected, lambda level: Selected(level, axis, index, name))

    def _without(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return (*values[: self._axis], *values[self._axis + 1 :])

    def _read(self, box: Box) -> NDArray[Any]:
        at, index = self._axis, self._index
        start = (*box.start[:at], index, *box.start[at:])
        stop = (*box.stop[:at], index + 1, *box.stop[at:])
        return self.source.read(Box(start, stop)).squeeze(at)


class Shifted(View):
    """A source whose voxels have other indices, at the same positions in nm.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    start : (z, y, x)
        Index of the first voxel.
    name : str
        URI of the volume, for messages.

    Raises
    ------
    InvalidInput
        If an axis of z, y and x is missing.
    """

    def __init__(self, source: VolumeSource, start: tuple[int, int, int], name: str) -> None:
        spec = source.spec
        if len(spec.spatial) != 3:
            raise InvalidInput(f"{name} has the axes {'/'.join(spec.axes)}; ?start= needs z, y and x")
        moves = [0] * spec.domain.ndim
        for axis, first, to in zip(spec.spatial, spec.frame.start, start, strict=True):
            moves[axis] = to - first
        self._back = tuple(-n for n in moves)
        sizes = spec.voxel_size_nm or (0.0, 0.0, 0.0)
        z, y, x = (o - moves[a] * s for o, a, s in zip(spec.offset_nm, spec.spatial, sizes, strict=True))
        shifted = spec.replace(domain=spec.domain.shift(moves), offset_nm=(z, y, x))
        super().__init__(source, f"start={','.join(map(str, start))}", shifted)

    def _read(self, box: Box) -> NDArray[Any]:
        return self.source.read(box.shift(self._back))


class Windowed(View):
    """A source whose values from `low` to `high` are shown as 0 to the largest value of a data type.

    What is not a number is 0. A `high` below `low` inverts the image.

    Parameters
    ----------
    source : VolumeSource
        Source to view.
    dtype : dtype
        Unsigned integers.
    low, high : float
        Values that become 0 and the largest value.
    name : str
        URI of the volume, for messages.
    clip : bool
        Whether values outside are clipped; otherwise they cannot be read.
    """

    def __init__(
        self, source: VolumeSource, dtype: DTypeLike, low: float, high: float, name: str, *, clip: bool = True
    ) -> None:
        self._dtype, self._low, self._high, self._name, self._clip = np.dtype(dtype), low, high, name, clip
        spec = source.spec
        windowed = spec.replace(
            dtype=self._dtype,
            kind="image" if spec.kind == "labels" else spec.kind,
            fill=int(self._scale(np.array([spec.fill])).clip(0, np.iinfo(self._dtype).max)[0]),
            encoding=None,
        )
        option = f"dtype={self._dtype.name}&window={low:.12g}:{high:.12g}{'' if clip else '&clip=false'}"
        super().__init__(source, option, windowed, lambda level: Windowed(level, dtype, low, high, name, clip=clip))

    def _read(self, box: Box) -> NDArray[Any]:
        data, largest = self.source.read(box), np.iinfo(self._dtype).max
        values = self._scale(data)
        if not self._clip and values.size and (values.min() < 0 or values.max() > largest):
            finite = data[~np.isnan(data)]
            raise InvalidInput(
                f"{self._name} has values from {finite.min():g} to {finite.max():g} in {box}, but only values from "
                f"{self._low:g} to {self._high:g} are expected: correct the volume, or add ?window=LO:HI to its URI, "
                "with the values that mean 0 and the maximum"
            )
        return values.clip(0, largest, out=values).astype(self._dtype)

    def _scale(self, data: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values on the scale of the data type, rounded."""
        values = data.astype(np.float64)
        values -= self._low
        values *= float(np.iinfo(self._dtype).max) / (self._high - self._low)
        return np.rint(np.nan_to_num(values, copy=False, nan=0.0), out=values)
