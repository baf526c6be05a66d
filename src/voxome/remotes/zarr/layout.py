"""From the metadata of a zarr array to its VolumeSpec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorstore as ts

from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.geometry import Box
from voxome.geometry.axes import STANDARD, default_axes, standard_order
from voxome.remotes.tensorstore import reorder_axes
from voxome.remotes.zarr.codecs import encoding_of
from voxome.remotes.zarr.metadata import Node
from voxome.remotes.zarr.ome import Dataset
from voxome.remotes.zarr.voxome_attrs import OWN, others

Triple = tuple[float, float, float]


def stored_axes(node: Node, dataset: Dataset | None) -> tuple[str, ...] | None:
    """The names of an array's axes in stored order, or None if it has none: OME, zarr v3, xarray, in this order.

    The placeholders ``dim_0``, ``dim_1`` … that some writers put are no names.
    """
    ndim = len(node.document["shape"])
    given = dataset.axes if dataset else node.document.get("dimension_names")
    given = given or node.attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(given, Sequence) or len(given) != ndim or not all(isinstance(n, str) for n in given):
        return None
    names = tuple(n.lower() if n.lower() in set(STANDARD) else n for n in given)
    if len(set(names)) < ndim or all(re.fullmatch(r"dim_\d+", n) for n in names):
        return None
    return names


def layout(
    node: Node, handle: ts.TensorStore, dataset: Dataset | None, *, home: Node, labels: bool = False
) -> tuple[ts.TensorStore, VolumeSpec]:
    """The view of `handle` in the order of our axes, and its spec.

    Parameters
    ----------
    node : Node
        The array.
    handle : tensorstore.TensorStore
        Its handle, axes as stored.
    dataset : Dataset or None
        Its place in a pyramid.
    home : Node
        Whose attributes are the spec's: the array itself, or the group that it stands for.
    labels : bool
        Whether its group says that it holds labels.
    """
    own = node.attributes.get(OWN) or {}
    names = stored_axes(node, dataset)
    if dataset is not None and names is None:
        raise UnsupportedFormat(f"{node.place} has shape {node.document['shape']}, its axes {dataset.axes} do not fit")
    order = standard_order(names) if names else tuple(range(handle.rank))
    axes = tuple(names[i] for i in order) if names else default_axes(handle.rank)
    start = tuple(own.get("start") or (0,) * handle.rank)
    view = reorder_axes(handle, order, start)
    size, offset = _place(own, axes, start, dataset)
    chunks = view.chunk_layout
    spec = VolumeSpec(
        domain=Box.of_shape(view.shape, start),
        dtype=handle.dtype.numpy_dtype,
        axes=axes,
        kind=own.get("kind") or _kind(handle.dtype.numpy_dtype, labels),
        voxel_size_nm=size,
        offset_nm=offset,
        read_chunk=_whole(chunks.read_chunk.shape),
        write_chunk=_whole(chunks.write_chunk.shape),
        fill=_fill(node, handle),
        encoding=encoding_of(node),
        attributes=others(home.attributes),
    )
    return view, spec


def _whole(chunk: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in chunk)


def _kind(dtype: np.dtype[Any], labels: bool) -> VolumeKind:
    return "labels" if labels or dtype == np.uint64 else "image"


def _fill(node: Node, handle: ts.TensorStore) -> Any:
    fill = handle.fill_value
    if fill is None:
        fill = np.asarray(node.document.get("fill_value") or 0).astype(handle.dtype.numpy_dtype)
    return np.asarray(fill).item()


def _place(
    own: Mapping[str, Any], axes: tuple[str, ...], start: tuple[int, ...], dataset: Dataset | None
) -> tuple[Triple | None, Triple]:
    size = dataset.nm(dataset.scale) if dataset else None
    if dataset is None or size is None:
        given = own.get("voxel_size_nm")
        return (tuple(given) if given else None), tuple(own.get("offset_nm") or (0.0, 0.0, 0.0))
    return size, place_of(dataset, [start[axes.index(axis)] for axis in "zyx"])


def place_of(dataset: Dataset, start: Sequence[int]) -> Triple:
    """The centre of voxel index 0 (z, y, x) in nm of an array whose first voxel has index `start`.

    The unit of each axis must be a length.
    """
    size, first = dataset.nm(dataset.scale), dataset.nm(dataset.translation)
    if size is None or first is None:
        raise InvalidInput(f"{dataset.path}: axes z, y, x with units of length are expected, not {dataset.units}")
    z, y, x = (round(f - b * s, 9) if b else f for f, b, s in zip(first, start, size, strict=True))
    return z, y, x
