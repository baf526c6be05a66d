"""A volume as numpy would have it, whatever store it is in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.contracts.abilities import SupportsIds, SupportsLevels, ability
from voxome.contracts.levels import Level, require_level
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.errors import UnsupportedFormat
from voxome.geometry import Box
from voxome.resources.indexing import Key, Selection, select
from voxome.resources.metadata import metadata
from voxome.resources.services import BoundService, get_service, service_names


class Volume:
    """A numpy-like face of one array in a store.

    Indexing is zero-based and reads or writes what it names; `cutout` and `paste` speak the store's own coordinates.

    Parameters
    ----------
    source : VolumeSource
        What reads and writes boxes.
    uri : str
        Where it is, for people to read.
    """

    def __init__(self, source: VolumeSource, uri: str = "") -> None:
        self.source, self.uri = source, uri

    def __repr__(self) -> str:
        size = self.voxel_size_nm
        scale = "" if size is None else ", " + "x".join(f"{n:g}" for n in size) + " nm"
        return f"<Volume {self.uri} {'/'.join(self.axes)} {self.shape} {self.dtype}{scale}>"

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning, in the store's coordinates."""
        return self.source.spec

    @property
    def domain(self) -> Box:
        """All voxels there are, in the store's coordinates."""
        return self.spec.domain

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along every axis."""
        return self.domain.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.domain.ndim

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.domain.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a voxel."""
        return self.spec.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels in memory."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Smallest piece worth reading; None where there is none."""
        return self.spec.read_chunk

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return self.spec.axes

    @property
    def voxel_size_nm(self) -> tuple[float, float, float] | None:
        """Edge lengths of a voxel (z, y, x) in nm; None where the store does not say."""
        return self.spec.voxel_size_nm

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Names and values that the store keeps about the volume, live; ``volume.metadata[name] = value`` sets one."""
        return metadata(self.source)

    def ids(self, box: Box | None = None) -> NDArray[np.uint64]:
        """The labels in `box` (all, if None), in the store's coordinates: sorted, without 0.

        Asked of the store where it can tell, read from the voxels otherwise.
        """
        asked = self.domain if box is None else box
        able = ability(self.source, SupportsIds)
        if able is not None:
            return able.ids(asked)
        found = np.unique(self.source.read(asked)).astype(np.uint64)
        return found[found != 0]

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        """The box of a label, in the store's coordinates; see `SupportsIds`.

        Raises
        ------
        UnsupportedFormat
            If the store cannot tell.
        """
        return self._indexed().bounding_box(label, exact=exact)

    def reserve_ids(self, count: int) -> range:
        """Labels that the store gives to nobody else.

        Raises
        ------
        UnsupportedFormat
            If the store does not hand them out.
        """
        return self._indexed().reserve_ids(count)

    def _indexed(self) -> SupportsIds:
        able = ability(self.source, SupportsIds)
        if able is None:
            raise UnsupportedFormat(f"{self.uri}: this store keeps no index of its labels; BossDB and DVID do")
        return able

    def __getattr__(self, name: str) -> BoundService:
        return get_service(name, self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *service_names()})

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a volume is not in memory: making an array of it always copies; leave out copy=False")
        return np.asarray(self.source.read(self.domain), dtype=dtype)

    def cutout(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`, in the store's coordinates.

        Raises
        ------
        InvalidBox
            If it leaves the domain.
        """
        return self.source.read(box)

    def paste(self, box: Box, data: Any) -> None:
        """Write `data`, broadcast to the shape of `box`, in the store's coordinates."""
        values = np.asarray(data, dtype=self.dtype)
        self.source.write(box, np.ascontiguousarray(np.broadcast_to(values, box.shape)))

    @property
    def levels(self) -> Sequence[Level]:
        """Voxel size, position and scale of each level of the pyramid, finest first; empty where there is none."""
        pyramid = ability(self.source, SupportsLevels)
        return () if pyramid is None else pyramid.levels

    def level(self, number: int) -> Volume:
        """Level `number` of the pyramid; 0 is the finest.

        Raises
        ------
        NotFound
            If there is none, or its array is missing.
        """
        pyramid = ability(self.source, SupportsLevels)
        require_level(self.uri, number, 1 if pyramid is None else len(pyramid.levels))
        return self if pyramid is None else Volume(pyramid.level(number), f"{self.uri}?level={number}")

    def __getitem__(self, key: Key) -> NDArray[Any]:
        selection = select(key, self.shape)
        return self._gather(selection)[selection.key]

    def __setitem__(self, key: Key, value: Any) -> None:
        selection = select(key, self.shape)
        if 0 in selection.shape:
            np.empty(selection.shape, self.dtype)[selection.key] = value
            return
        box = selection.box
        whole = box.shape == selection.shape
        block = np.empty(box.shape, self.dtype) if whole and _is_basic(selection) else self._read(box)
        places = np.ix_(*(np.asarray(w) - a for w, a in zip(selection.wanted, box.start, strict=True)))
        wanted = block if whole else block[places]
        wanted[selection.key] = value
        if not whole:
            block[places] = wanted
        self.source.write(box.shift(self.domain.start), block)

    @property
    def oindex(self) -> OrthogonalIndex:
        """Index every axis by an array of its own, as zarr's ``oindex`` does."""
        return OrthogonalIndex(self)

    def _read(self, box: Box) -> NDArray[Any]:
        return self.source.read(box.shift(self.domain.start))

    def _gather(self, selection: Selection) -> NDArray[Any]:
        """An array of the wanted voxels, read in runs where they lie far apart."""
        if all(isinstance(w, range) for w in selection.wanted):
            return np.empty(selection.shape, self.dtype) if 0 in selection.shape else self._read(selection.box)
        gaps = self.chunks or (64,) * self.ndim
        out = np.empty(selection.shape, self.dtype)
        runs = [selection.runs(axis, gaps[axis]) for axis in range(self.ndim)]
        wanted = [np.asarray(w) for w in selection.wanted]
        for part in itertools.product(*runs):
            box = Box(tuple(a for a, _ in part), tuple(b for _, b in part))
            inside = [(w >= a) & (w < b) for w, (a, b) in zip(wanted, part, strict=True)]
            places = np.ix_(*(w[m] - a for w, m, (a, _) in zip(wanted, inside, part, strict=True)))
            out[np.ix_(*inside)] = self._read(box)[places]
        return out

    def to_dask(self, chunks: tuple[int, ...] | None = None) -> Any:
        """A lazy dask array of the volume (dask must be installed).

        Parameters
        ----------
        chunks : tuple of int, optional
            Of the dask array; the store's own if None.
        """
        import dask.array

        return dask.array.from_array(self, chunks=chunks or self.chunks or "auto", name=False)

    def to_xarray(self) -> Any:
        """A lazy xarray DataArray with coordinates in nm (xarray and dask must be installed)."""
        import xarray

        coords = {}
        for axis, position, size, offset in zip(
            self.spec.spatial, "zyx", self.voxel_size_nm or (1.0,) * 3, self.spec.offset_nm, strict=True
        ):
            indices = np.arange(self.domain.start[axis], self.domain.stop[axis])
            coords[position] = offset + indices * size
        return xarray.DataArray(self.to_dask(), dims=self.axes, coords=coords, attrs=dict(self.spec.attributes))


def _is_basic(selection: Selection) -> bool:
    return not any(isinstance(part, np.ndarray) for part in selection.key)


class OrthogonalIndex:
    """``volume.oindex[a, b, c]``: integers, slices, integer and boolean arrays, each along its own axis."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def __getitem__(self, key: Key) -> NDArray[Any]:
        parts = list(key) if isinstance(key, tuple) else [key]
        parts += [slice(None)] * (self._volume.ndim - len(parts))
        wanted, inner = [], []
        for axis, part in enumerate(parts):
            before: tuple[Key, ...] = (slice(None),) * axis
            one = select((*before, np.asarray(part) if isinstance(part, list) else part), self._volume.shape)
            wanted.append(one.wanted[axis])
            inner.append(one.key[axis])
        out = self._volume._gather(Selection(tuple(wanted), ()))
        for axis in reversed(range(len(parts))):
            out = out[(slice(None),) * axis + (inner[axis],)]
        return out
