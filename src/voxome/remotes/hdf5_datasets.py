"""HDF5 datasets as volumes: whether they are one, their axes, sizes and attributes; and making one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np

from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat
from voxome.geometry.axes import STANDARD, default_axes, standard_order

_OWN = ("resolution", "offset", "element_size_um", "kind", "axistags", "DIMENSION_LABELS", "DIMENSION_LIST", "CLASS")


def unreadable(dataset: h5py.Dataset) -> str:
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


def stored_axes(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Names of the axes as stored, where the file gives one to each; otherwise the default ones."""
    labels = [dim.label.lower() for dim in dataset.dims]
    if "axistags" in dataset.attrs:
        labels = re.findall(r'"key"\s*:\s*"(\w+)"', dataset.attrs["axistags"])
    known = len(set(labels)) == len(labels) == dataset.ndim and set(labels) <= set(STANDARD)
    return tuple(labels) if known else default_axes(dataset.ndim)


def spec_of(dataset: h5py.Dataset, order: tuple[int, ...]) -> VolumeSpec:
    """The spec of a dataset whose stored axes are brought into `order`."""
    names, attributes = stored_axes(dataset), dataset.attrs
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


def set_attributes(dataset: h5py.Dataset, changes: Mapping[str, Any]) -> None:
    """Set attributes, as HDF5's own types where it has one and as JSON text where it has none."""
    for name, value in changes.items():
        numbers = isinstance(value, list) and value and len({type(one) for one in value} & {int, float}) == 1
        plain = isinstance(value, bool | int | float | str) or (numbers and np.asarray(value).dtype.kind in "if")
        for old in (name, name + _JSON):
            if old in dataset.attrs:
                del dataset.attrs[old]
        dataset.attrs[name if plain else name + _JSON] = value if plain else json.dumps(value)


def refuse_unusual(spec: VolumeSpec) -> None:
    """Refuse dtypes and axes that could not be read back.

    Raises
    ------
    UnsupportedFormat
    """
    if spec.dtype.kind not in "biuf":
        raise UnsupportedFormat(f"HDF5 volumes are of booleans, integers or floats, not of {spec.dtype}")
    named = tuple(spec.axes[i] for i in standard_order(spec.axes)) == spec.axes and set(spec.axes) <= set(STANDARD)
    if not named and spec.axes != default_axes(spec.domain.ndim):
        raise UnsupportedFormat(f"axes {'/'.join(spec.axes)} are not written to HDF5: bring them into t, c, z, y, x")


def create_dataset(h5: h5py.File, name: str, inner: str, spec: VolumeSpec, options: Mapping[str, Any]) -> None:
    """Make the dataset `inner` for `spec`, with h5py's own `options`; `name` is what errors call it.

    Raises
    ------
    AlreadyExists
        If something is there.
    InvalidInput
        If HDF5 refuses the options or the place.
    """
    if inner in h5:
        raise AlreadyExists(f"{name} is there already; choose another name, or delete it")
    chunks: tuple[int, ...] | bool | None = True if options else None
    if spec.write_chunk is not None:
        chunks = tuple(max(1, min(n, m)) for n, m in zip(spec.write_chunk, spec.domain.shape, strict=True))
    try:
        dataset = h5.create_dataset(inner, spec.domain.shape, spec.dtype, chunks=chunks, fillvalue=spec.fill, **options)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{name} cannot be made: {error}") from error
    if spec.voxel_size_nm is not None:
        dataset.attrs["resolution"] = spec.voxel_size_nm
    if any(spec.offset_nm):
        dataset.attrs["offset"] = spec.offset_nm
    dataset.attrs["kind"] = spec.kind
    for dimension, axis in zip(dataset.dims, spec.axes, strict=True):
        dimension.label = axis
    set_attributes(dataset, spec.attributes)
