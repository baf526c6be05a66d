"""Stacks of sections as one array, with a cache of decoded sections."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.source import Version
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, ReadOnly
from voxome.geometry import Box
from voxome.geometry.axes import standard_order
from voxome.remotes.arrays import copy_out
from voxome.remotes.image_codecs import Form, decode
from voxome.remotes.local_files import file_version

CACHE_BYTES = 128 * 1024**2
"""Size of the cache of decoded sections of a source, of at least one section."""

VoxelSize = tuple[float, float, float] | None
"""Edge lengths of a voxel (z, y, x) in nm."""


class Stack(Protocol):
    """Sections of one form, over leading axes."""

    axes: tuple[str, ...]
    """Names of all axes, as stored."""
    lead: tuple[int, ...]
    """Shape of the leading axes."""
    form: Form
    """Shape and dtype of a section."""
    voxel_size_nm: VoxelSize

    @property
    def mapped(self) -> bool:
        """Whether sections are memory-mapped, so that caching them gains nothing."""

    def section(self, index: int) -> NDArray[Any]:
        """Return section `index`, in C order over `lead`."""

    def stamp(self, index: int) -> object:
        """Return a value that changes when the section does."""


class FileStack:
    """Files of one section each, along z; missing ones count as `fill`, unless it is None."""

    mapped = False

    def __init__(
        self, files: Sequence[Path], form: Form, *, fill: float | None = None, voxel_size_nm: VoxelSize = None
    ) -> None:
        self.files, self.form, self._fill, self.voxel_size_nm = files, form, fill, voxel_size_nm
        self.lead: tuple[int, ...] = (len(files),)
        self.axes: tuple[str, ...] = ("z", "c", "y", "x") if len(form.shape) == 3 else ("z", "y", "x")

    def section(self, index: int) -> NDArray[Any]:
        file = self.files[index]
        if self._fill is not None and not file.exists():
            return np.full(self.form.shape, self._fill, self.form.dtype)
        data = decode(file, self.form)
        form = Form(data.shape, data.dtype.newbyteorder("="))
        if not form.fits(self.form):
            raise CorruptData(f"{file} is {form}, but the other sections are {self.form}")
        return data if form == self.form else data * np.uint8(255)

    def stamp(self, index: int) -> object:
        try:
            state = self.files[index].stat()
        except FileNotFoundError:
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns


class SingleFile(FileStack):
    """A file with one section, without z."""

    def __init__(self, file: Path, form: Form) -> None:
        super().__init__([file], form)
        self.lead, self.axes = (), self.axes[1:]


class StackSource:
    """A read-only stack."""

    concurrent_writers = False

    def __init__(self, paths: Sequence[Path], stack: Stack, **fields: Any) -> None:
        self.paths, self._stack = paths, stack
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, tuple[object, NDArray[Any]]] = OrderedDict()
        self._order = standard_order(stack.axes)
        stored = (*stack.lead, *stack.form.shape)
        one = (*[1] * len(stack.lead), *stack.form.shape)
        self._spec = VolumeSpec.of(
            [stored[i] for i in self._order],
            stack.form.dtype,
            chunk=[max(1, one[i]) for i in self._order],
            axes=tuple(stack.axes[i] for i in self._order),
            **{"voxel_size_nm": stack.voxel_size_nm, **fields},
        )

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        slices = self._as_stored(box.within(self._spec.domain))
        count = len(self._stack.lead)
        stored = np.empty([part.stop - part.start for part in slices], self._spec.dtype)
        for index, position in self._touched(slices[:count]) if stored.size else ():
            stored[position] = self._section(index)[slices[count:]]
        return copy_out(stored.transpose(self._order), self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        raise ReadOnly(f"{self.paths[0]} is read only; open a folder of PNG or TIFF sections with mode='r+'")

    def version(self) -> Version:
        return file_version(*self.paths)

    def _as_stored(self, slices: tuple[slice, ...]) -> tuple[slice, ...]:
        return tuple(slices[i] for i in np.argsort(self._order))

    def _touched(self, lead: tuple[slice, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Index of each section, and its position in the array that is read or written."""
        for cell in product(*(range(part.start, part.stop) for part in lead)):
            index = int(np.ravel_multi_index(cell, self._stack.lead)) if cell else 0
            yield index, tuple(i - part.start for i, part in zip(cell, lead, strict=True))

    def _section(self, index: int) -> NDArray[Any]:
        if self._stack.mapped:
            return self._stack.section(index)
        stamp = self._stack.stamp(index)
        with self._lock:
            cached = self._cache.get(index)
            if cached is not None and cached[0] == stamp:
                self._cache.move_to_end(index)
                return cached[1]
        data = self._stack.section(index)
        with self._lock:
            self._cache[index] = stamp, data
            while len(self._cache) > max(1, CACHE_BYTES // max(1, data.nbytes)):
                self._cache.popitem(last=False)
        return data
