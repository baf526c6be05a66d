"""``hdf5://FILE.h5/internal/path``: any numeric dataset of an HDF5 file, chunked or not.

Voxel sizes are those of CREMI (`resolution` and `offset` in nm, z, y, x) or of ilastik and Fiji (`element_size_um`);
names of axes are HDF5's dimension labels or ilastik's `axistags`; what lies in a group called `labels` are labels, as in
CREMI. The file is opened for each read and each write, so that what was written is on the disk and other processes may
come between.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.uri import Uri
from voxome.contracts.volume import Mode, ResourceInfo, Version, VolumeKind, VolumeSpec
from voxome.errors import (
    AlreadyThere,
    CorruptData,
    InvalidInput,
    InvalidUri,
    NotFound,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
    VoxomeError,
)
from voxome.geometry import Box
from voxome.geometry.axes import STANDARD, default_axes, standard_order
from voxome.remotes.local import hand_over, hint, local_path, refuse_options, refuse_what_is_lost, storing, target

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".h5ad", ".nwb", ".ims", ".mat")
"""How the names of HDF5 files end: where a new one's name ends in a URI."""

_OPTIONS = ("compression", "compression_opts", "shuffle", "fletcher32")
_OWN = ("resolution", "offset", "element_size_um", "kind", "axistags", "DIMENSION_LABELS", "DIMENSION_LIST", "CLASS")
_LOCK = threading.RLock()
"""One for all files: HDF5 itself runs one thread at a time, and refuses to open a file in two modes at once."""


class Hdf5Source:
    """One dataset."""

    concurrent_writers = False

    def __init__(self, file: Path, inner: str, mode: Mode) -> None:
        self._file, self._inner, self._mode = file, inner, mode
        self._refresh()

    def _refresh(self) -> None:
        with _opened(self._file) as h5:
            dataset = _dataset(h5, self._file, self._inner)
            self._order = standard_order(_stored_axes(dataset))
            self._spec = _spec(dataset, self._order)

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        places = box.within(self._spec.domain)
        with _opened(self._file) as h5:
            stored = _dataset(h5, self._file, self._inner)[self._as_stored(places)]
        return hand_over(stored.transpose(self._order), self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        places = target(f"hdf5://{self._file}/{self._inner}", self._mode, box, data, self._spec.domain)
        with storing(self._file), _opened(self._file, "r+") as h5:
            _dataset(h5, self._file, self._inner)[self._as_stored(places)] = data.transpose(np.argsort(self._order))

    def version(self) -> Version:
        return hint(self._file)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        if self._mode == "r":
            raise ReadOnly(f"hdf5://{self._file}/{self._inner} is open for reading; open it with mode='r+'")
        with storing(self._file), _opened(self._file, "r+") as h5:
            _set_attributes(_dataset(h5, self._file, self._inner), changes)
        self._refresh()

    def _as_stored(self, places: tuple[slice, ...]) -> tuple[slice, ...]:
        return tuple(places[i] for i in np.argsort(self._order))


class Hdf5Remote:
    """Datasets of HDF5 files."""

    def recognises(self, path: str) -> bool:
        file, _ = _split(path)
        return file is not None and h5py.is_hdf5(file)

    def open(self, uri: Uri, *, mode: Mode = "r") -> Hdf5Source:
        file, inner = _existing(uri)
        return Hdf5Source(file, inner or _only_volume(file), mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        file, inner = _existing(uri)
        with _opened(file) as h5:
            found = _volumes(_node(h5, file, inner or "/"))
        for name, text in found.items():
            yield ResourceInfo(f"hdf5://{file}/{name}", "volume", text)

    def create(self, uri: Uri, spec: VolumeSpec) -> Hdf5Source:
        file, inner = _new_place(uri)
        refuse_what_is_lost("HDF5", spec)
        options = refuse_options("HDF5", spec, _OPTIONS)
        _refuse_unusual(spec)
        new = not file.exists()
        try:
            with storing(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                with _opened(file, "w-" if new else "r+") as h5:
                    _create(h5, f"{file}/{inner}", inner, spec, options)
        except VoxomeError:
            if new:
                file.unlink(missing_ok=True)
            raise
        return Hdf5Source(file, inner, "r+")

    def delete(self, uri: Uri) -> None:
        file, inner = _existing(uri)
        with storing(file):
            if not inner:
                file.unlink()
                return
            with _opened(file, "r+") as h5:
                _node(h5, file, inner)
                del h5[inner]


@contextmanager
def _opened(file: Path, mode: str = "r") -> Iterator[h5py.File]:
    """The file, alone; what HDF5 says is told in our errors."""
    with _LOCK:
        if mode != "w-" and not h5py.is_hdf5(file):
            raise UnsupportedFormat(f"{file} is no HDF5 file: it lacks HDF5's signature")
        try:
            with h5py.File(file, mode) as h5:
                yield h5
        except VoxomeError:
            raise
        except (OSError, RuntimeError) as error:
            raise _ours(file, error) from error


def _ours(file: Path, error: OSError | RuntimeError) -> VoxomeError:
    said = str(error)
    if "unable to lock" in said or "already open" in said:
        return StoreError(f"{file} is open elsewhere, and HDF5 lets one process write at a time: {said}")
    if getattr(error, "errno", None):
        return StoreError(f"{file} cannot be read or written: {said}")
    return CorruptData(f"{file} is cut short or damaged: {said}")


def _split(path: str) -> tuple[Path | None, str]:
    """The file that exists along `path`, and the path inside it."""
    whole = local_path(path)
    for file in (whole, *whole.parents):
        if file.is_file():
            return file, _inside(whole, file)
    return None, ""


def _inside(whole: Path, file: Path) -> str:
    inner = whole.relative_to(file).as_posix()
    return "" if inner == "." else inner


def _existing(uri: Uri) -> tuple[Path, str]:
    file, inner = _split(uri.path)
    if file is None:
        raise NotFound(f"there is no file at or along {local_path(uri.path)}; write hdf5://FILE.h5/internal/path")
    return file, inner


def _new_place(uri: Uri) -> tuple[Path, str]:
    file, inner = _split(uri.path)
    if file is None:
        whole = local_path(uri.path)
        named = [one for one in (whole, *whole.parents) if one.suffix in SUFFIXES]
        if not named:
            raise InvalidUri(f"{uri} names no HDF5 file: write hdf5://FILE.h5/internal/path")
        file, inner = named[-1], _inside(whole, named[-1])
    return file, inner or "data"


def _node(h5: h5py.File, file: Path, inner: str) -> h5py.Group | h5py.Dataset:
    try:
        return h5[inner]
    except KeyError as error:
        raise NotFound(f"there is no {inner} in {file}; it has {_told(_volumes(h5))}") from error


def _dataset(h5: h5py.File, file: Path, inner: str) -> h5py.Dataset:
    node = _node(h5, file, inner)
    if not isinstance(node, h5py.Dataset):
        raise UnsupportedFormat(f"{inner} in {file} is a group; name a volume in it: {_told(_volumes(node))}")
    if why := _unreadable(node):
        raise UnsupportedFormat(f"{inner} in {file} holds {why}")
    return node


def _unreadable(dataset: h5py.Dataset) -> str:
    """Why a dataset is no volume that we read; empty if it is one."""
    if not dataset.shape:
        return "a single value or none; an array of at least one axis was expected"
    if dataset.dtype.kind not in "biuf":
        return f"elements of dtype {dataset.dtype}; voxome takes booleans, integers and floats"
    if dataset.is_virtual:
        folder = Path(dataset.file.filename).parent
        sources = {source.file_name for source in dataset.virtual_sources()} - {"."}
        if lost := sorted(name for name in sources if not (folder / name).exists()):
            return f"views of files that are not there: {', '.join(lost)}"
    filters = dataset.id.get_create_plist()
    for place in range(filters.get_nfilters()):
        code, _, _, name = filters.get_filter(place)
        if not h5py.h5z.filter_avail(code):
            return f"chunks packed by filter {code} ({name.decode()}), which this HDF5 lacks: install hdf5plugin"
    return ""


def _volumes(group: h5py.Group | h5py.Dataset) -> dict[str, str]:
    """Path in the file → dtype and shape, for each dataset in `group` that can be read."""
    return {dataset.name.lstrip("/"): f"{dataset.dtype} {dataset.shape}" for dataset in _readable(group)}


def _readable(node: h5py.Group | h5py.Dataset) -> list[h5py.Dataset]:
    nodes = [node]
    if isinstance(node, h5py.Group):
        node.visititems(lambda _, one: nodes.append(one))
    return [one for one in nodes if isinstance(one, h5py.Dataset) and not _unreadable(one)]


def _told(volumes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({text})" for name, text in volumes.items()) or "no volume"


def _only_volume(file: Path) -> str:
    """The path of the one volume of a file; arrays of fewer than three axes count only where there is no other."""
    with _opened(file) as h5:
        datasets = _readable(h5)
        deep = [dataset.name for dataset in datasets if dataset.ndim >= 3] or [dataset.name for dataset in datasets]
        if len(deep) != 1:
            raise UnsupportedFormat(
                f"{file} is not a single volume; name one of its datasets, as in hdf5://{file}/PATH: "
                f"{_told(_volumes(h5))}"
            )
    return str(deep[0]).lstrip("/")


def _stored_axes(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Names of the axes as stored, where the file gives one to each; otherwise the default ones."""
    labels = [dim.label.lower() for dim in dataset.dims]
    if "axistags" in dataset.attrs:
        labels = [tag["key"].lower() for tag in json.loads(dataset.attrs["axistags"])["axes"]]
    known = len(set(labels)) == len(labels) == dataset.ndim and set(labels) <= set(STANDARD)
    return tuple(labels) if known else default_axes(dataset.ndim)


def _spec(dataset: h5py.Dataset, order: tuple[int, ...]) -> VolumeSpec:
    names, attributes = _stored_axes(dataset), dataset.attrs
    size = _triple(attributes.get("resolution"))
    if size is None and (micrometres := _triple(attributes.get("element_size_um"))):
        z, y, x = (round(length * 1000, 6) for length in micrometres)
        size = z, y, x
    kind = attributes.get("kind", "labels" if "labels" in dataset.name.split("/")[:-1] else "image")
    return VolumeSpec.of(
        [dataset.shape[i] for i in order],
        np.dtype(dataset.dtype.str),
        chunk=dataset.chunks and [dataset.chunks[i] for i in order],
        axes=tuple(names[i] for i in order),
        kind=kind if kind in get_args(VolumeKind) else "image",
        voxel_size_nm=size,
        offset_nm=_triple(attributes.get("offset"), positive=False) or (0.0, 0.0, 0.0),
        fill=dataset.fillvalue.item(),
        attributes=dict(_json(name, value) for name, value in attributes.items() if name not in _OWN),
    )


def _triple(value: Any, *, positive: bool = True) -> tuple[float, float, float] | None:
    """Three finite numbers (z, y, x); None if the attribute is absent or something else."""
    array = np.asarray(value)
    if array.shape != (3,) or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        return None
    if positive and array.min() <= 0:
        return None
    z, y, x = array.astype(float).tolist()
    return z, y, x


_JSON = ".json"
"""Ends the names of attributes that HDF5 has no type for; they are JSON text."""


def _json(name: str, value: Any) -> tuple[str, Any]:
    """An attribute as JSON values; what has no JSON form (a reference) as its text."""
    if name.endswith(_JSON) and isinstance(value, str):
        return name.removesuffix(_JSON), json.loads(value)
    if isinstance(value, bytes):
        return name, value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return name, value.tolist()
    return name, value if isinstance(value, str) else str(value)


def _set_attributes(dataset: h5py.Dataset, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        numbers = isinstance(value, list) and value and len({type(one) for one in value} & {int, float}) == 1
        plain = isinstance(value, bool | int | float | str) or (numbers and np.asarray(value).dtype.kind in "if")
        for old in (name, name + _JSON):
            if old in dataset.attrs:
                del dataset.attrs[old]
        dataset.attrs[name if plain else name + _JSON] = value if plain else json.dumps(value)


def _refuse_unusual(spec: VolumeSpec) -> None:
    if spec.dtype.kind not in "biuf":
        raise UnsupportedFormat(f"HDF5 volumes are of booleans, integers or floats, not of {spec.dtype}")
    named = tuple(spec.axes[i] for i in standard_order(spec.axes)) == spec.axes and set(spec.axes) <= set(STANDARD)
    if not named and spec.axes != default_axes(spec.domain.ndim):
        raise UnsupportedFormat(f"axes {'/'.join(spec.axes)} are not written to HDF5: bring them into t, c, z, y, x")


def _create(h5: h5py.File, name: str, inner: str, spec: VolumeSpec, options: Mapping[str, Any]) -> None:
    if inner in h5:
        raise AlreadyThere(f"{name} is there already; choose another name, or delete it")
    chunks: tuple[int, ...] | bool | None = True if options else None
    if spec.write_chunk is not None:
        chunks = tuple(max(1, min(n, m)) for n, m in zip(spec.write_chunk, spec.domain.shape, strict=True))
    try:
        dataset = h5.create_dataset(
            inner, spec.domain.shape, spec.dtype, chunks=chunks, fillvalue=spec.fill, **options
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{name} cannot be made: {error}") from error
    if spec.voxel_size_nm is not None:
        dataset.attrs["resolution"] = spec.voxel_size_nm
    if any(spec.offset_nm):
        dataset.attrs["offset"] = spec.offset_nm
    if spec.kind != "image":
        dataset.attrs["kind"] = spec.kind
    for dimension, axis in zip(dataset.dims, spec.axes, strict=True):
        dimension.label = axis
    _set_attributes(dataset, spec.attributes)
