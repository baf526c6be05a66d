"""Zarr arrays that are open: alone, and as levels of a pyramid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorstore as ts

from voxome.contracts.abilities import Level
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import CorruptData, InvalidInput, NotFound, ReadOnly
from voxome.remotes.json_store import Json
from voxome.remotes.levels import check_coarser, coarser
from voxome.remotes.tensorstore import TensorStoreSource
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.create import make_level
from voxome.remotes.zarr.handle import open_handle
from voxome.remotes.zarr.layout import layout, place_of
from voxome.remotes.zarr.metadata import Node, must_find
from voxome.remotes.zarr.voxome_attrs import RESERVED, others


class ZarrSource(TensorStoreSource):
    """One zarr array; its attributes are those of `home`, the array itself or the group that it stands for."""

    def __init__(self, store: ts.TensorStore, spec: VolumeSpec, *, home: Node, name: str, writable: bool) -> None:
        super().__init__(store, spec, name=name, writable=writable, metadata=(home.place, home.attributes_file))
        self._home = home

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the array is open for reading.
        InvalidInput
            If one of them describes the array itself.
        """
        wrong = sorted(set(changes) & set(RESERVED))
        if wrong:
            raise InvalidInput(f"{self.name}: {', '.join(wrong)} describe the array itself; use other names")
        self._change(lambda old: {**old, **changes})

    def _change(self, change: Callable[[Json], Json]) -> None:
        self._must_be_writable()
        self._spec = self._spec.replace(attributes=others(self._home.change(change)))

    def _must_be_writable(self) -> None:
        if not self._writable:
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")


class PyramidSource(ZarrSource):
    """The finest level of an OME-Zarr multiscale; its attributes are those of the group."""

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        found = self._datasets()
        return [Level(scale, self._offset(one, scale)) for one, scale in zip(found, self._scales(found), strict=True)]

    def level(self, number: int) -> ZarrSource:
        """Level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If there is no such level.
        """
        found = self._datasets()
        if not 0 <= number < len(found):
            raise NotFound(f"{self.name} has no level {number}: its levels are 0 to {len(found) - 1}")
        node = must_find(self._home.place / found[number].path)
        labels = self.spec.kind == "labels"
        name = f"{self.name}?level={number}"
        return open_array(node, found[number], name=name, writable=self._writable, labels=labels)

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
        self._must_be_writable()
        found = self._datasets()
        check_coarser(self.name, self._scales(found)[-1], scale)
        spec = coarser(self.spec, scale)
        path = self._free_path([one.path for one in found])
        make_level(self._home.place / path, spec)
        self._change(lambda old: ome.with_dataset(old, ome.dataset(path, spec, scale)))
        return self.level(len(found))

    def _datasets(self) -> list[ome.Dataset]:
        entry = ome.multiscales(must_find(self._home.place).attributes)
        if entry is None:
            raise CorruptData(f"{self._home.place} has lost its multiscales since it was opened")
        return ome.datasets(entry, str(self._home.place))

    def _scales(self, found: list[ome.Dataset]) -> list[Scale]:
        if len(found) > 1 and len({one.scale for one in found}) == 1:
            shapes = [must_find(self._home.place / one.path).document["shape"] for one in found]
            found = [one.of_extent(shape) for one, shape in zip(found, shapes, strict=True)]
        return [one.ratio(found[0]) for one in found]

    def _offset(self, one: ome.Dataset, scale: Scale) -> tuple[float, float, float]:
        if one.nm(one.scale) is None:
            return (0.0, 0.0, 0.0)
        return place_of(one, [a // n for a, n in zip(self.spec.frame.start, scale, strict=True)])

    def _free_path(self, paths: list[str]) -> str:
        lead, number = paths[-1].rstrip("0123456789"), len(paths)
        while (self._home.place / f"{lead}{number}").taken():
            number += 1
        return f"{lead}{number}"


def open_array(
    node: Node, dataset: ome.Dataset | None, *, name: str, writable: bool, labels: bool = False
) -> ZarrSource:
    """Open one array, `dataset` being its place in a pyramid if it has one."""
    handle = open_handle(node, writable=writable)
    view, spec = layout(node, handle, dataset, home=node, labels=labels)
    return ZarrSource(view, spec, home=node, name=name, writable=writable)


def open_pyramid(group: Node, entry: Mapping[str, Any], *, name: str, writable: bool) -> PyramidSource:
    """Open the finest level of the multiscale `entry` of `group`."""
    finest = ome.datasets(entry, str(group.place))[0]
    node = must_find(group.place / finest.path)
    handle = open_handle(node, writable=writable)
    view, spec = layout(node, handle, finest, home=group, labels=ome.holds_labels(group.attributes))
    return PyramidSource(view, spec, home=group, name=name, writable=writable)
