"""Open zarr arrays: single ones, and the levels of a pyramid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorstore as ts

from voxome.contracts.levels import Lengths, Level, coarser, finest_first, require_coarser, require_level, scale_between
from voxome.contracts.provenance import Provenance
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import at_level
from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.provenance_json import read_attributes, with_entry
from voxome.remotes.tensorstore import TensorStoreSource
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.chunk_keys import check_chunk_names
from voxome.remotes.zarr.chunks_in_shards import ZarrChunks, chunks_in_shards
from voxome.remotes.zarr.create import create_level
from voxome.remotes.zarr.handle import open_handle
from voxome.remotes.zarr.layout import RESERVED, layout, user_attrs, voxel_zero_nm
from voxome.remotes.zarr.metadata import Node, find_node, require_node
from voxome.remotes.zarr.normalize_metadata import normalize
from voxome.storage.json_store import Json

Shape = tuple[int, int, int]


class ZarrSource(TensorStoreSource):
    """One zarr array; its attributes are those of `home`, the array itself or the group that it represents.

    Provenance is that of the pyramid, which is in the attributes of `group`, if the array is a level of one.
    """

    def __init__(
        self,
        store: ts.TensorStore,
        spec: VolumeSpec,
        *,
        home: Node,
        name: str,
        writable: bool,
        group: Node | None = None,
    ) -> None:
        super().__init__(store, spec, name=name, writable=writable, metadata=(home.folder, home.attributes_file))
        self._home, self._group = home, group or home

    @property
    def neuroglancer_corner_nm(self) -> Lengths | None:
        """Where Neuroglancer shows the corner of voxel 0 (z, y, x): half a voxel before the position of its centre."""
        size, (z, y, x) = self.spec.voxel_size_nm, self.spec.offset_nm
        return None if size is None else (z - size[0] / 2, y - size[1] / 2, x - size[2] / 2)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the array is open for reading.
        InvalidInput
            If one of them describes the array itself.
        """
        reserved = sorted(set(changes) & set(RESERVED))
        if reserved:
            raise InvalidInput(f"{self.name}: {', '.join(reserved)} describe the array itself; use other names")
        self._change(lambda old: {**old, **changes})

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the attributes say has made the volume; what others say of the levels, too."""
        attributes = require_node(self._group.folder).attributes
        return ome.read_provenance(attributes) + read_attributes(attributes)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the attributes, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the array is open for reading.
        CorruptData
            If the attribute for entries is something else.
        """
        self._require_writable()
        self._group.update_attributes(lambda old: with_entry(old, one, self.name))

    def _chunks_in_shards(self) -> ZarrChunks | None:
        return chunks_in_shards(self._store)

    def _change(self, change: Callable[[Json], Json]) -> None:
        self._require_writable()
        self._spec = self._spec.replace(attributes=user_attrs(self._home.update_attributes(change)))


class PyramidSource(ZarrSource):
    """The finest level of an OME-Zarr multiscale; its attributes are those of the group."""

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        arrays = self._arrays()
        sizes = level_sizes(self._home, arrays)
        return [self._level(one, scale_between(size, sizes[0])) for one, size in zip(arrays, sizes, strict=True)]

    def level(self, number: int) -> ZarrSource:
        """Open level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If the level does not exist.
        """
        group = require_node(self._home.folder)
        return open_level(group, _entry(group), number, name=self.name, writable=self._writable)

    def create_level(self, scale: Scale) -> ZarrSource:
        """Add a level whose voxels span `scale` (z, y, x) voxels of level 0, and open it for writing.

        Its voxel *i* covers the voxels from ``i * scale`` up to ``(i + 1) * scale`` of level 0.

        Raises
        ------
        InvalidInput
            If it is not coarser than all there are.
        ReadOnly
            If the array is open for reading.
        """
        return self._create_level(scale, coarser(self.spec, scale))

    def create_level_at(self, scale: Scale, offset_nm: Lengths) -> ZarrSource:
        """Add a level as `create_level` does, with the centre of its voxel index 0 at `offset_nm` (z, y, x)."""
        return self._create_level(scale, coarser(self.spec, scale).replace(offset_nm=offset_nm))

    def _create_level(self, scale: Scale, spec: VolumeSpec) -> ZarrSource:
        self._require_writable()
        require_coarser(self.name, self.levels, scale)
        paths = [one.path for one in self._arrays()]
        path = self._free_path(paths)
        create_level(self._home.folder / path, spec)
        with (self._home.folder / path).removed_on_error(lambda: path in [one.path for one in self._arrays()]):
            self._change(lambda old: ome.with_dataset(old, ome.dataset(path, spec, scale)))
        return self.level(len(paths))

    def _arrays(self) -> list[ome.Dataset]:
        group = require_node(self._home.folder)
        return sorted_arrays(group, _entry(group))

    def _level(self, one: ome.Dataset, scale: Scale | None) -> Level:
        size = None if one.problem else one.nm(one.scale)
        if size is None:
            return Level(None, scale=scale)
        start = (0, 0, 0) if scale is None else self.spec.frame.coarsen(scale).start
        return Level(size, voxel_zero_nm(one, start), scale)

    def _free_path(self, paths: list[str]) -> str:
        lead, number = paths[-1].rstrip("0123456789"), len(paths)
        while (self._home.folder / f"{lead}{number}").taken():
            number += 1
        return f"{lead}{number}"


def _open(node: Node, *, writable: bool) -> ts.TensorStore:
    document = normalize(node)
    handle = open_handle(node, document, writable=writable)
    check_chunk_names(node, document)
    return handle


def open_array(
    node: Node,
    dataset: ome.Dataset | None,
    *,
    name: str,
    writable: bool,
    labels: bool = False,
    group: Node | None = None,
) -> ZarrSource:
    """Open one array, `dataset` being its entry in the pyramid `group` if it has one."""
    handle = _open(node, writable=writable)
    view, spec = layout(node, handle, dataset, home=node, labels=labels)
    return ZarrSource(view, spec, home=node, name=name, writable=writable, group=group)


def open_pyramid(group: Node, entry: Mapping[str, Any], *, name: str, writable: bool) -> PyramidSource:
    """Open the finest level of the multiscale `entry` of `group`."""
    finest = sorted_arrays(group, entry)[0]
    node = _array(group, finest, name)
    handle = _open(node, writable=writable)
    view, spec = layout(node, handle, finest, home=group, labels=ome.holds_labels(group.attributes))
    return PyramidSource(view, spec, home=group, name=name, writable=writable)


def open_level(group: Node, entry: Mapping[str, Any], number: int, *, name: str, writable: bool) -> ZarrSource:
    """Open level `number` of the multiscale `entry` of `group`, 0 being the finest.

    Raises
    ------
    NotFound
        If the level does not exist, or its array is missing.
    """
    arrays = sorted_arrays(group, entry)
    require_level(name, number, len(arrays))
    node, labels = _array(group, arrays[number], name), ome.holds_labels(group.attributes)
    level = at_level(name, number)
    return open_array(node, arrays[number], name=level, writable=writable, labels=labels, group=group)


def sorted_arrays(group: Node, entry: Mapping[str, Any]) -> list[ome.Dataset]:
    """Return the arrays of the multiscale `entry` of `group`, finest first."""
    listed = ome.datasets(entry, str(group.folder))
    return [listed[i] for i in finest_first(level_sizes(group, listed))]


def level_sizes(group: Node, arrays: Sequence[ome.Dataset]) -> list[Lengths | None]:
    """Return the voxel size of each array (z, y, x) in some unit; None where it is unknown.

    Where the metadata give all of them the same size, the shapes decide: all levels span the same volume.
    """
    sizes = [one.size for one in arrays]
    if len(sizes) == 1 or len(set(sizes)) > 1:
        return sizes
    nodes = [find_node(group.folder / one.path) for one in arrays]
    shapes = [_shape(node, one) for node, one in zip(nodes, arrays, strict=True) if node]
    largest = max(shapes, key=math.prod, default=(1, 1, 1))
    return [
        None if node is None else _size_by_extent(largest, _shape(node, one))
        for node, one in zip(nodes, arrays, strict=True)
    ]


def _size_by_extent(finest: Shape, shape: Shape) -> Lengths:
    """Voxels of the finest array along one of an array that spans the same volume: a whole number where one fits."""
    sizes = []
    for whole, n in zip(finest, shape, strict=True):
        near = max(1, round(whole / max(1, n)))
        sizes.append(float(near) if abs(whole / near - n) < 1 else whole / max(1, n))
    return (sizes[0], sizes[1], sizes[2])


def _shape(node: Node, one: ome.Dataset) -> Shape:
    by_axis = dict(zip(one.axes, node.document["shape"], strict=False))
    return (by_axis.get("z", 1), by_axis.get("y", 1), by_axis.get("x", 1))


def _array(group: Node, one: ome.Dataset, name: str) -> Node:
    if one.problem:
        raise CorruptData(
            f"{name}: the coordinate transformations of {one.path!r} do not follow OME-Zarr: {one.problem}"
        )
    node = find_node(group.folder / one.path)
    if node is None:
        raise NotFound(
            f"{name}: its multiscales list {one.path!r}, but no zarr array is there; restore it from "
            "a copy, or open another level (?level=1)"
        )
    return node


def _entry(group: Node) -> Mapping[str, Any]:
    entry = ome.multiscales(group.attributes)
    if entry is None:
        raise CorruptData(f"{group.folder} has lost its multiscales since it was opened")
    return entry
