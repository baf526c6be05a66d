"""A numpy-like volume, in any store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from numbers import Number
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from voxome.calls import explain_calls, explain_construction
from voxome.contracts.abilities import SupportsIds, SupportsLevels, ability
from voxome.contracts.arguments import require_count
from voxome.contracts.levels import Level, require_level
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import at_level
from voxome.errors import InvalidInput, UnsupportedFormat, describe_value
from voxome.extras import require
from voxome.geometry import BlockGrid, Box
from voxome.redaction import Secret, redact
from voxome.resources.cast import exact_values, require_unmasked
from voxome.resources.indexing import Key, Selection, expand, select
from voxome.resources.memory import enough_memory
from voxome.resources.metadata import metadata
from voxome.resources.services import BoundService, get_service, service_names

if TYPE_CHECKING:
    import dask.array
    import xarray


@explain_construction
class Volume:
    """A numpy-like view of one array in a store.

    Indexing is zero-based and reads or writes the indexed voxels; `cutout` and `paste` use the store's coordinates.
    Services, such as ``volume.mesh`` or ``volume.transfer``, are attributes too; ``dir(volume)`` lists them.

    Parameters
    ----------
    source : VolumeSource
        Reads and writes boxes.
    uri : str
        Its address; the attribute `uri` has it without user name, password and tokens.
    finest : Level, optional
        Level 0 of the pyramid of which this is a level; None for a volume, and for a level that its URI names.

    Raises
    ------
    InvalidInput
        If the source cannot be read: a URI is opened by `voxome.open`.
    """

    def __init__(self, source: VolumeSource, uri: str = "", *, finest: Level | None = None) -> None:
        if not callable(getattr(source, "read", None)):
            raise InvalidInput(
                f"{describe_value(source)} is not a source of voxels; open a volume with voxome.open(URI), and pass "
                "NumPy arrays to functions as they are"
            )
        self.source, self.uri, self.finest = source, redact(uri), finest
        self._secret_uri = None if self.uri == uri else Secret(uri)

    def reveal_uri(self) -> str:
        """Return the URI with its secrets, by which this process can open the volume again."""
        return self.uri if self._secret_uri is None else self._secret_uri.reveal()

    def __repr__(self) -> str:
        size = self.voxel_size_nm
        scale = "" if size is None else ", " + "x".join(f"{n:g}" for n in size) + " nm"
        return f"<Volume {self.uri} {'/'.join(self.axes)} {self.shape} {self.dtype}{scale}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        size = self.voxel_size_nm
        facts = {
            "uri": self.uri or "in memory",
            "kind": self.spec.kind,
            "axes": "/".join(self.axes),
            "shape": " × ".join(map(str, self.shape)),
            "dtype": str(self.dtype),
            "voxel size (nm)": "unknown" if size is None else " × ".join(f"{n:g}" for n in size),
            "chunks": "none" if self.chunks is None else " × ".join(map(str, self.chunks)),
            "levels": str(max(1, len(self.levels))),
            "bytes": f"{self.nbytes:,}",
        }
        rows = (f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in facts.items())
        return f"<table>{''.join(rows)}</table>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: a volume keeps no file open, and what was written is stored."""

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the sections along the first axis; as many as a chunk is deep are read at a time."""
        depth = self.chunks[0] if self.chunks else 1
        for start in range(0, len(self), depth):
            yield from self[start : start + depth]

    def __contains__(self, value: object) -> bool:
        """Return whether any voxel equals a number; voxels are read a chunk at a time, up to the first that does."""
        if not isinstance(value, Number | np.generic):
            raise InvalidInput(f"{describe_value(value)} is not a number; `in` looks for a voxel with that value")
        grid = BlockGrid(self.domain, self.chunks or (64,) * self.ndim)
        return any(bool((self.source.read(block.write) == value).any()) for block in grid)

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning, in the store's coordinates."""
        return self.source.spec

    @property
    def domain(self) -> Box:
        """Extent of the array, in the store's coordinates."""
        return self.spec.domain

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
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
        """Voxel data type."""
        return self.spec.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that all voxels take in memory."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of a chunk; None where the array is not divided."""
        return self.spec.read_chunk

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return self.spec.axes

    @property
    def voxel_size_nm(self) -> tuple[float, float, float] | None:
        """Edge lengths of a voxel (z, y, x) in nm; None if unknown."""
        return self.spec.voxel_size_nm

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of the volume in its store, live; ``volume.metadata[name] = value`` sets one."""
        return metadata(self.source)

    @explain_calls
    def reserve_ids(self, count: int) -> range:
        """Reserve labels, which the store will not assign again.

        Raises
        ------
        UnsupportedFormat
            If the store cannot reserve labels.
        """
        return self._label_index().reserve_ids(require_count("count", count))

    def _label_index(self) -> SupportsIds:
        index = ability(self.source, SupportsIds)
        if index is None:
            raise UnsupportedFormat(f"{self.uri}: this store keeps no index of its labels; BossDB and DVID do")
        return index

    def __getattr__(self, name: str) -> BoundService:
        return get_service(name, self)

    def __dir__(self) -> list[str]:
        own = list(super().__dir__())
        return sorted({*own, *service_names(own)})

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("cannot make an array of a volume without copying it into memory; leave out copy=False")
        return np.asarray(self._read_stored(self.domain), dtype=dtype)

    @explain_calls
    def cutout(self, box: Box | str) -> NDArray[Any]:
        """Return the voxels of `box`, in the store's coordinates; ``"0:10,0:64,0:64"`` is a box too.

        Raises
        ------
        InvalidBox
            If it leaves the domain.
        OutOfMemory
            If it is larger than the memory that is free.
        """
        return self._read_stored(Box.of(box, self.domain))

    @explain_calls
    def paste(self, box: Box | str, data: ArrayLike) -> None:
        """Write `data`, broadcast to the shape of `box`, in the store's coordinates.

        Raises
        ------
        InvalidInput, InvalidBox
            If the data are not values of the dtype of the volume, or do not fit the box, or it leaves the domain.
        """
        require_unmasked(data)
        region = Box.of(box, self.domain)
        with self._explaining(data, region.shape):
            values = np.broadcast_to(exact_values(data, self.dtype), region.shape)
        self.source.write(region, np.ascontiguousarray(values, self.dtype))

    @contextmanager
    def _explaining(self, data: object, shape: tuple[int, ...]) -> Iterator[None]:
        """Explain NumPy's errors about values that are assigned to voxels."""
        try:
            yield
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(
                f"data is {describe_value(data)}; expected values of {self.dtype} that fit the shape {shape}"
            ) from error

    @property
    def levels(self) -> Sequence[Level]:
        """Voxel size, position and scale of each level of the pyramid, finest first; empty without a pyramid."""
        pyramid = ability(self.source, SupportsLevels)
        return () if pyramid is None else pyramid.levels

    @explain_calls
    def level(self, number: int) -> Volume:
        """Return level `number` of the pyramid; 0 is the finest.

        Raises
        ------
        NotFound
            If the level or its array is missing.
        """
        pyramid = ability(self.source, SupportsLevels)
        require_level(self.uri or "the array", number, 1 if pyramid is None else len(pyramid.levels))
        if pyramid is None:
            return self
        uri = at_level(self.reveal_uri(), number) if self.uri else ""
        return Volume(pyramid.level(number), uri, finest=pyramid.levels[0])

    def __getitem__(self, key: Key) -> NDArray[Any]:
        selection = select(key, self.shape)
        return self._gather(selection)[selection.key]

    def __setitem__(self, key: Key, value: Any) -> None:
        require_unmasked(value)
        selection = select(key, self.shape)
        if 0 in selection.shape:
            with self._explaining(value, selection.shape):
                np.empty(selection.shape, self.dtype)[selection.key] = exact_values(value, self.dtype)
            return
        with self._explaining(value, selection.shape):
            values = exact_values(value, self.dtype)
        box = selection.box
        whole = box.shape == selection.shape
        block = self._empty(box.shape) if whole and _is_basic(selection) else self._read(box)
        inside = np.ix_(*(np.asarray(at) - a for at, a in zip(selection.indices, box.start, strict=True)))
        selected = block if whole else block[inside]
        with self._explaining(value, selection.shape):
            selected[selection.key] = values
        if not whole:
            block[inside] = selected
        self.source.write(box.shift(self.domain.start), block)

    @property
    def oindex(self) -> OrthogonalIndex:
        """Index each axis by a separate array, as zarr's ``oindex`` does."""
        return OrthogonalIndex(self)

    def _read(self, box: Box) -> NDArray[Any]:
        return self._read_stored(box.shift(self.domain.start))

    def _read_stored(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box in the store's coordinates, if they fit into memory."""
        with enough_memory(self.uri, box.shape, self.dtype):
            return self.source.read(box)

    def _empty(self, shape: tuple[int, ...]) -> NDArray[Any]:
        with enough_memory(self.uri, shape, self.dtype):
            return np.empty(shape, self.dtype)

    def _gather(self, selection: Selection) -> NDArray[Any]:
        """Return the selected voxels, read in runs where they are far apart."""
        if all(isinstance(at, range) for at in selection.indices):
            return np.empty(selection.shape, self.dtype) if 0 in selection.shape else self._read(selection.box)
        gaps = self.chunks or (64,) * self.ndim
        out = self._empty(selection.shape)
        runs = [selection.runs(axis, gaps[axis]) for axis in range(self.ndim)]
        indices = [np.asarray(at) for at in selection.indices]
        for part in itertools.product(*runs):
            box = Box(tuple(a for a, _ in part), tuple(b for _, b in part))
            masks = [(at >= a) & (at < b) for at, (a, b) in zip(indices, part, strict=True)]
            inside = np.ix_(*(at[mask] - a for at, mask, (a, _) in zip(indices, masks, part, strict=True)))
            out[np.ix_(*masks)] = self._read(box)[inside]
        return out

    @explain_calls
    def to_dask(self, chunks: tuple[int, ...] | None = None) -> dask.array.Array:
        """Return a lazy dask array of the volume (dask must be installed).

        Parameters
        ----------
        chunks : tuple of int, optional
            Chunks of the dask array; those of the store if None.

        Raises
        ------
        InvalidInput
            If dask cannot divide the volume into such chunks.
        """
        require("dask", "dask")
        import dask.array
        from dask.array.core import normalize_chunks

        wanted = self.chunks or "auto" if chunks is None else chunks
        try:
            divided = normalize_chunks(wanted, self.shape, dtype=self.dtype)
            if any(n < 1 for extent, axis in zip(self.shape, divided, strict=True) if extent for n in axis):
                raise ValueError("chunks have at least 1 voxel")
        except (TypeError, ValueError, ArithmeticError) as error:
            raise InvalidInput(
                f"chunks is {describe_value(wanted)}; expected a number of voxels for each axis, such as (64, 64, 64): "
                f"{error}"
            ) from error
        return dask.array.from_array(self, chunks=divided, name=False)

    @explain_calls
    def to_xarray(self) -> xarray.DataArray:
        """Return a lazy xarray DataArray (xarray and dask must be installed).

        Its name is the last part of the URI; the coordinates along z, y and x are centres of voxels in nm, or indices
        if the voxel size is unknown; ``attrs`` has the attributes of the volume, its kind and its voxel size.
        """
        require("xarray", "xarray", "dask")
        import xarray

        unit = "index" if self.voxel_size_nm is None else "nm"
        coords = {}
        for axis, position, size, offset in zip(
            self.spec.spatial, "zyx", self.voxel_size_nm or (1.0,) * 3, self.spec.offset_nm, strict=True
        ):
            indices = np.arange(self.domain.start[axis], self.domain.stop[axis])
            coords[position] = (position, offset + indices * size, {"units": unit})
        described = {"kind": self.spec.kind, "voxel_size_nm": self.voxel_size_nm, "uri": self.uri}
        name = self.uri.partition("?")[0].rstrip("/").rpartition("/")[2] or None
        attributes = {**self.spec.attributes, **described}
        return xarray.DataArray(self.to_dask(), dims=self.axes, coords=coords, name=name, attrs=attributes)


def _is_basic(selection: Selection) -> bool:
    return not any(isinstance(part, np.ndarray) for part in selection.key)


class OrthogonalIndex:
    """``volume.oindex[a, b, c]``: integers, slices, integer and boolean arrays, each along one axis."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def __getitem__(self, key: Key) -> NDArray[Any]:
        parts = [part for part in expand(key, self._volume.ndim) if part is not Ellipsis]
        if any(part is None or np.ndim(part) > 1 for part in parts if not isinstance(part, slice)):
            raise IndexError(
                ".oindex takes an integer, a slice or a one-dimensional array for each axis, or an ellipsis"
            )
        indices, inner = [], []
        for axis, part in enumerate(parts):
            before: tuple[Key, ...] = (slice(None),) * axis
            one = select((*before, part), self._volume.shape)
            indices.append(one.indices[axis])
            inner.append(one.key[axis])
        out = self._volume._gather(Selection(tuple(indices), ()))
        for axis in reversed(range(len(parts))):
            out = out[(slice(None),) * axis + (inner[axis],)]
        return out
