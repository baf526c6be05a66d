"""From the metadata of a zarr array to its VolumeSpec, and the attribute in which voxome adds to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import tensorstore as ts

from voxome.contracts.arguments import require_indices, require_lengths, require_position
from voxome.contracts.levels import Lengths
from voxome.contracts.provenance import ATTRIBUTE
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import CorruptData, InvalidInput, UnknownName, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.axes import STANDARD, default_axes, standard_order
from voxome.remotes.tensorstore import reorder_axes
from voxome.remotes.zarr.codecs import encoding_of
from voxome.remotes.zarr.fill_values import decode_fill
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.ome import Dataset

VOXOME = "voxome"
"""Attribute for what neither zarr nor OME-Zarr can express."""

RESERVED = (VOXOME, ATTRIBUTE, "ome", "multiscales", "omero", "image-label", "_ARRAY_DIMENSIONS")
"""Attributes that describe the array itself; a spec's `attributes` leaves them out."""


def voxome_attrs(spec: VolumeSpec) -> dict[str, Any]:
    """Return the attribute for `spec`: kind, first index, voxel size and offset where there are any."""
    content: dict[str, Any] = {"kind": spec.kind}
    if any(spec.domain.start):
        content["start"] = list(spec.domain.start)
    if spec.voxel_size_nm is not None:
        content["voxel_size_nm"] = [float(size) for size in spec.voxel_size_nm]
    if any(spec.offset_nm):
        content["offset_nm"] = [float(offset) for offset in spec.offset_nm]
    return {VOXOME: content}


def user_attrs(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return all attributes but those that describe the array itself."""
    return {key: value for key, value in attributes.items() if key not in RESERVED}


def stored_axes(node: Node, dataset: Dataset | None) -> tuple[str, ...] | None:
    """Return the names of an array's axes in stored order, or None: those of OME, else of zarr v3, else of xarray.

    The placeholders ``dim_0``, ``dim_1`` … of some writers do not count.
    """
    ndim = len(node.document["shape"])
    listed = dataset.axes if dataset else node.document.get("dimension_names")
    listed = listed or node.attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(listed, Sequence) or len(listed) != ndim or not all(isinstance(n, str) for n in listed):
        return None
    names = tuple(n.lower() if n.lower() in set(STANDARD) else n for n in listed)
    if len(set(names)) < ndim or all(re.fullmatch(r"dim_\d+", n) for n in names):
        return None
    return names


def layout(
    node: Node, handle: ts.TensorStore, dataset: Dataset | None, *, home: Node, labels: bool = False
) -> tuple[ts.TensorStore, VolumeSpec]:
    """Return the view of `handle` in voxome's order of axes, and its spec.

    Parameters
    ----------
    node : Node
        The array.
    handle : tensorstore.TensorStore
        Its handle, axes as stored.
    dataset : Dataset or None
        Its entry in a pyramid.
    home : Node
        Node whose attributes are the spec's: the array itself, or the group that it represents.
    labels : bool
        Whether its group is marked as labels.
    """
    ours = _own_attribute(node, handle.rank)
    names = stored_axes(node, dataset)
    if dataset is not None and names is None:
        raise UnsupportedFormat(f"{node.folder} has shape {node.document['shape']}, which {dataset.axes} do not match")
    order = standard_order(names) if names else tuple(range(handle.rank))
    axes = tuple(names[i] for i in order) if names else default_axes(handle.rank)
    start = tuple(ours.get("start") or (0,) * handle.rank)
    view = reorder_axes(handle, order, start)
    size, offset = _size_and_offset(ours, axes, start, dataset)
    chunks = view.chunk_layout
    spec = VolumeSpec(
        domain=Box.of_shape(view.shape, start),
        dtype=handle.dtype.numpy_dtype,
        axes=axes,
        kind=ours.get("kind") or _kind(handle.dtype.numpy_dtype, labels),
        voxel_size_nm=size,
        offset_nm=offset,
        read_chunk=_ints(chunks.read_chunk.shape),
        write_chunk=_ints(chunks.write_chunk.shape),
        fill=_fill(node, handle),
        encoding=encoding_of(node),
        attributes=user_attrs(home.attributes),
    )
    return view, spec


def _own_attribute(node: Node, ndim: int) -> dict[str, Any]:
    """Return what voxome adds to the metadata of an array; an attribute of this name that is no object is another's."""
    found = node.attributes.get(VOXOME)
    ours = dict(found) if isinstance(found, Mapping) else {}
    try:
        if ours.get("start") and len(require_indices("start", ours["start"])) != ndim:
            raise InvalidInput(f"start is {ours['start']}; expected {ndim} whole numbers")
        if ours.get("voxel_size_nm"):
            require_lengths("voxel_size_nm", ours["voxel_size_nm"])
        if ours.get("offset_nm"):
            require_position("offset_nm", ours["offset_nm"])
        if ours.get("kind") and ours["kind"] not in get_args(VolumeKind):
            raise UnknownName.of("kind", ours["kind"], get_args(VolumeKind))
    except InvalidInput as error:
        raise CorruptData(
            f"{node.folder}: its attribute {VOXOME!r} is not as voxome writes it: {error}; correct it, or restore it "
            "from a copy"
        ) from error
    return ours


def _ints(chunk: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in chunk)


def _kind(dtype: np.dtype[Any], labels: bool) -> VolumeKind:
    return "labels" if (labels and dtype.kind in "biu") or dtype == np.uint64 else "image"


def _fill(node: Node, handle: ts.TensorStore) -> Any:
    fill = handle.fill_value
    if fill is None:
        fill = decode_fill(node.document.get("fill_value"), handle.dtype.numpy_dtype)
    return np.asarray(fill).item()


def _size_and_offset(
    ours: Mapping[str, Any], axes: tuple[str, ...], start: tuple[int, ...], dataset: Dataset | None
) -> tuple[Lengths | None, Lengths]:
    size = dataset.nm(dataset.scale) if dataset else None
    if dataset is None or size is None:
        size_nm = ours.get("voxel_size_nm")
        return (tuple(size_nm) if size_nm else None), tuple(ours.get("offset_nm") or (0.0, 0.0, 0.0))
    return size, voxel_zero_nm(dataset, [start[axes.index(axis)] for axis in "zyx"])


def voxel_zero_nm(dataset: Dataset, start: Sequence[int]) -> Lengths:
    """Return the centre of voxel index 0 (z, y, x) in nm of an array whose first voxel has index `start`.

    Raises
    ------
    InvalidInput
        If an axis is missing or its unit is not a length.
    """
    size, first = dataset.nm(dataset.scale), dataset.nm(dataset.translation)
    if size is None or first is None:
        raise InvalidInput(
            f"{dataset.path}: expected z, y, x in units of length, not {dataset.axes} in {dataset.units}"
        )
    z, y, x = (round(f - b * s, 9) if b else f for f, b, s in zip(first, start, size, strict=True))
    return z, y, x
