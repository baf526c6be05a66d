"""HDF5 datasets as volumes: which can be read, their axes, sizes and attributes, and new ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

import h5py
import numpy as np

from voxome.contracts.provenance import ATTRIBUTE, Provenance
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import AlreadyExists, InvalidInput, UnsupportedFormat, describe_value
from voxome.geometry.axes import STANDARD, default_axes, standard_order
from voxome.geometry.units import nm_per
from voxome.remotes.hdf5_virtual import missing_sources
from voxome.remotes.provenance_json import read_attributes, with_entry

_RESERVED = (
    "resolution",
    "offset",
    "element_size_um",
    "kind",
    "axistags",
    "DIMENSION_LABELS",
    "DIMENSION_LIST",
    "CLASS",
    ATTRIBUTE + ".json",
)
UNITS = "units"
"""Attribute with the units of `resolution` and `offset`: a text, or one for each of z, y, x."""


def not_a_volume(dataset: h5py.Dataset) -> str:
    """Return why a dataset is not a volume; empty if it is one."""
    if not dataset.shape:
        return "a single value or nothing; expected an array of at least one axis"
    try:
        dtype = dataset.dtype
    except (TypeError, ValueError) as error:  # no type of NumPy
        return f"elements of an unknown type ({error}); voxome reads booleans, integers and floats"
    if dtype.kind not in "biuf":
        return f"elements of dtype {dtype}; voxome reads booleans, integers and floats"
    return ""


def unreadable(dataset: h5py.Dataset, slices: Sequence[slice] | None = None) -> str:
    """Return why the voxels of a volume, or those in `slices`, cannot be read; empty if they can."""
    if dataset.is_virtual and (missing := missing_sources(dataset, slices)):
        return f"views of missing data: {missing}"
    filters = dataset.id.get_create_plist()
    for number in range(filters.get_nfilters()):
        code, _, _, name = filters.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            return f"chunks compressed by filter {code} ({name.decode()}), for which there is no plug-in"
    return ""


def stored_axes(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of the axes as stored, if each has one; otherwise the default ones."""
    labels = tuple(axis_labels(dataset))
    known = len(set(labels)) == len(labels) == dataset.ndim and set(labels) <= set(STANDARD)
    return labels if known else default_axes(dataset.ndim)


def axis_labels(dataset: h5py.Dataset) -> list[str]:
    """Return the names that ilastik's `axistags` or HDF5's labels give the axes, whatever they are."""
    if "axistags" in dataset.attrs:
        return re.findall(r'"key"\s*:\s*"(\w+)"', text_of(value_of(dataset, "axistags")) or "")
    return [dim.label.lower() for dim in dataset.dims]


def spec_of(dataset: h5py.Dataset, inner: str, order: tuple[int, ...]) -> VolumeSpec:
    """Return the spec of the dataset at path `inner`, whose stored axes are brought into `order`."""
    names, attributes = stored_axes(dataset), {name: value_of(dataset, name) for name in dataset.attrs}
    units = nm_per_unit(attributes.get(UNITS))
    size = _in_nm(triple_of(attributes.get("resolution")), units)
    if size is None and (micrometres := triple_of(attributes.get("element_size_um"))):
        z, y, x = (round(length * 1000, 6) for length in micrometres)
        size = z, y, x
    reserved = (*_RESERVED, *([UNITS] if units != (1, 1, 1) else []))
    kind = text_of(attributes.get("kind", "labels" if "labels" in inner.split("/")[:-1] else "image"))
    return VolumeSpec.of(
        [dataset.shape[i] for i in order],
        np.dtype(dataset.dtype.str),
        chunk=dataset.chunks and [dataset.chunks[i] for i in order],
        axes=tuple(names[i] for i in order),
        kind=cast(VolumeKind, kind) if kind in get_args(VolumeKind) else "image",
        voxel_size_nm=size,
        offset_nm=_in_nm(triple_of(attributes.get("offset"), positive=False), units) or (0.0, 0.0, 0.0),
        fill=_fill(dataset),
        attributes=dict(_json(name, value) for name, value in attributes.items() if name not in reserved),
    )


def nm_per_unit(value: Any) -> tuple[float, float, float] | None:
    """Return how many nm the units of `resolution` and `offset` have along z, y, x; None if one is not a length.

    A single text may describe grey values: only a length counts. Without units, lengths are in nm.
    """
    names = plain_value(np.asarray(value) if isinstance(value, list) else value)
    if not isinstance(names, list) or len(names) != 3:
        text = text_of(value)
        return (nm_per(text) or 1.0,) * 3
    z, y, x = (nm_per(name) for name in names)
    return None if z is None or y is None or x is None else (z, y, x)


def _in_nm(
    lengths: tuple[float, float, float] | None, nm: tuple[float, float, float] | None
) -> tuple[float, float, float] | None:
    if lengths is None or nm is None:
        return None
    z, y, x = (length if per == 1 else round(length * per, 6) for length, per in zip(lengths, nm, strict=True))
    return z, y, x


def triple_of(value: Any, *, positive: bool = True) -> tuple[float, float, float] | None:
    """Return three finite numbers (z, y, x); None if the attribute is absent or something else."""
    array = np.asarray(value)
    if array.shape != (3,) or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        return None
    if positive and array.min() <= 0:
        return None
    z, y, x = array.astype(float).tolist()
    return z, y, x


_LARGEST_BYTES = 1 << 14
"""Most bytes of the name of an attribute, and of its numbers; HDF5 has place for 64 KiB of both."""
_JSON = ".json"
"""Suffix of the names of attributes that HDF5 has no type for; they are stored as JSON text."""


def _json(name: str, value: Any) -> tuple[str, Any]:
    """Return an attribute as JSON values; one without a JSON form (a reference) as text."""
    if name.endswith(_JSON) and isinstance(value, str):
        try:
            return name.removesuffix(_JSON), json.loads(value)
        except (ValueError, RecursionError):
            return name, value
    return name, plain_value(value)


def plain_value(value: Any) -> Any:
    """Return the value of an attribute as JSON values; one of another type as text."""
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufUSO":
        return _plain_items(value.tolist())
    return value if isinstance(value, str) else str(value)


def _plain_items(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain_items(one) for one in value]
    return value if isinstance(value, bool | int | float) else plain_value(value)


def text_of(value: Any) -> str | None:
    """Return the text of an attribute that is stored as a string, as bytes, or as an array of them or of characters."""
    plain = plain_value(value)
    if isinstance(plain, list) and all(isinstance(one, str) for one in plain):
        plain = "".join(plain)
    return plain if value is not None and isinstance(plain, str) else None


def value_of(dataset: h5py.Dataset, name: str) -> Any:
    """Return the value of an attribute as h5py reads it; empty if h5py cannot read its type."""
    try:
        return dataset.attrs[name]
    except (OSError, RuntimeError, TypeError, ValueError):
        return h5py.Empty("f4")


def _fill(dataset: h5py.Dataset) -> Any:
    """Return the value of voxels never written; 0 where the file leaves it undefined."""
    if dataset.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_UNDEFINED:
        return 0
    return dataset.fillvalue.item()


def set_attributes(dataset: h5py.Dataset, changes: Mapping[str, Any]) -> None:
    """Set attributes, as an HDF5 type where there is one and as JSON text where not.

    Raises
    ------
    UnsupportedFormat
        If HDF5 has no such name for an attribute; nothing is set.
    """
    _require_names(changes)
    for name, value in changes.items():
        plain = _has_type(value)
        for old in (name, name + _JSON):
            if old in dataset.attrs:
                del dataset.attrs[old]
        dataset.attrs[name if plain else name + _JSON] = value if plain else json.dumps(value)


def _require_names(attributes: Iterable[str]) -> None:
    for name in attributes:
        if not name or not _is_text(name) or len(name.encode()) > _LARGEST_BYTES:
            raise UnsupportedFormat(
                f"HDF5 has no attribute of the name {describe_value(name)}; expected 1 to {_LARGEST_BYTES:,} bytes of "
                "text; rename it, or leave the attributes out (drop=['attributes'], --drop attributes)"
            )


def _has_type(value: Any) -> bool:
    """Return whether HDF5 has a type for a JSON value: a number, text, or a list of numbers that is not long."""
    if isinstance(value, list):
        types = {type(one) for one in value}
        array = np.asarray(value) if types in ({int}, {float}) else np.empty(0, "O")
        return array.dtype.kind == ("i" if int in types else "f") and array.nbytes <= _LARGEST_BYTES
    if isinstance(value, str):
        return _is_text(value)
    return isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**64)


def _is_text(text: str) -> bool:
    """Return whether text has a form in UTF-8, and no end before its last character."""
    return "\0" not in text and text.encode(errors="replace").decode() == text


def read_provenance(dataset: h5py.Dataset) -> tuple[Provenance, ...]:
    """Return what the attributes of a dataset say has made it."""
    return read_attributes(dict(_json(name, value_of(dataset, name)) for name in dataset.attrs))


def add_provenance(dataset: h5py.Dataset, one: Provenance, name: str) -> None:
    """Add an entry to the attributes of a dataset; `name` is for messages.

    Raises
    ------
    CorruptData
        If the attribute for entries is something else.
    """
    old = dict(_json(key, value_of(dataset, key)) for key in (ATTRIBUTE, ATTRIBUTE + _JSON) if key in dataset.attrs)
    set_attributes(dataset, {ATTRIBUTE: with_entry(old, one, name)[ATTRIBUTE]})


def require_readable(spec: VolumeSpec) -> None:
    """Raise for dtypes and axes that could not be read back.

    Raises
    ------
    UnsupportedFormat
    """
    if spec.dtype.kind not in "biuf":
        raise UnsupportedFormat(f"HDF5 volumes store booleans, integers or floats, not {spec.dtype}")
    named = tuple(spec.axes[i] for i in standard_order(spec.axes)) == spec.axes and set(spec.axes) <= set(STANDARD)
    if not named and spec.axes != default_axes(spec.domain.ndim):
        raise UnsupportedFormat(
            f"axes {'/'.join(spec.axes)} cannot be written to HDF5: bring them into the order t, c, z, y, x"
        )


def create_dataset(h5: h5py.File, name: str, inner: str, spec: VolumeSpec, options: Mapping[str, Any]) -> None:
    """Create the dataset `inner` for `spec`, with h5py's `options`; `name` is for messages.

    Raises
    ------
    AlreadyExists
        If something exists there.
    InvalidInput
        If HDF5 rejects the options or the path, or an attribute would change the meaning of the voxel size.
    UnsupportedFormat
        If HDF5 has no such name for an attribute.
    """
    _require_names(spec.attributes)
    if inner in h5:
        raise AlreadyExists(f"{name} exists; choose another name, or delete it")
    if spec.voxel_size_nm is not None and nm_per_unit(spec.attributes.get(UNITS)) != (1, 1, 1):
        raise InvalidInput(
            f"{name}: with the attribute {UNITS} = {spec.attributes[UNITS]}, the voxel size, which is written in nm, "
            "would be read as another one; leave the attributes out (drop=['attributes'], --drop attributes)"
        )
    chunks: tuple[int, ...] | bool | None = True if options else None
    if spec.write_chunk is not None:
        chunks = tuple(max(1, min(n, m)) for n, m in zip(spec.write_chunk, spec.domain.shape, strict=True))
    try:
        dataset = h5.create_dataset(inner, spec.domain.shape, spec.dtype, chunks=chunks, fillvalue=spec.fill, **options)
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{name} cannot be created: {error}") from error
    if spec.voxel_size_nm is not None:
        dataset.attrs["resolution"] = spec.voxel_size_nm
    if any(spec.offset_nm):
        dataset.attrs["offset"] = spec.offset_nm
    dataset.attrs["kind"] = spec.kind
    for dimension, axis in zip(dataset.dims, spec.axes, strict=True):
        dimension.label = axis
    set_attributes(dataset, spec.attributes)
