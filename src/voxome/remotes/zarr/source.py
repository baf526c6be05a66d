"""Zarr arrays that are open: alone, and as levels of a pyramid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorstore as ts

from voxome.contracts.volume import Level, VolumeSpec
from voxome.errors import AlreadyThere, CorruptData, InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.remotes.tensorstore import TensorStoreSource, local_path
from voxome.remotes.zarr import ome
from voxome.remotes.zarr.handle import open_handle
from voxome.remotes.zarr.layout import RESERVED, layout
from voxome.remotes.zarr.make import array_documents, own, write_array
from voxome.remotes.zarr.metadata import Node, find, locked

Attributes = Mapping[str, Any]


class ZarrSource(TensorStoreSource):
    """One zarr array; its attributes are those of `home`, the array itself or the group that it stands for."""

    def __init__(
        self, store: ts.TensorStore, spec: VolumeSpec, *, node: Node, home: Node, name: str, writable: bool
    ) -> None:
        super().__init__(store, spec, name=name, writable=writable, metadata=(node.path, node.file))
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
        self._must_be_writable()
        wrong = sorted(set(changes) & set(RESERVED))
        if wrong:
            raise InvalidInput(f"{self.name}: {', '.join(wrong)} describe the array itself; use other names")
        self._rewrite(lambda old: {**old, **changes})

    def _must_be_writable(self) -> None:
        if not self._writable:
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")

    def _rewrite(self, change: Callable[[Attributes], Attributes]) -> None:
        with locked(local_path(self._home.path)):
            home = must_find(self._home.path)
            attributes = change(home.attributes)
            home.save_attributes(attributes)
        kept = {key: value for key, value in attributes.items() if key not in RESERVED}
        self._spec = self._spec.but(attributes=kept)


class PyramidSource(ZarrSource):
    """The finest level of an OME-Zarr multiscale; its attributes are those of the group."""

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        return [self._level(one, scale) for one, scale in zip(self._datasets(), self._scales(), strict=True)]

    def level(self, number: int) -> ZarrSource:
        """Level `number`; 0 is the finest.

        Raises
        ------
        InvalidInput
            If there is no such level.
        """
        found = self._datasets()
        if not 0 <= number < len(found):
            raise InvalidInput(f"{self.name} has levels 0 to {len(found) - 1}, not {number}")
        node = must_find(f"{self._home.path}/{found[number].path}")
        labels = self.spec.kind == "labels"
        name = f"{self.name}?level={number}"
        return open_array(node, found[number], name=name, writable=self._writable, labels=labels)

    def create_level(self, scale: tuple[int, int, int]) -> ZarrSource:
        """Add a level whose voxels span `scale` (z, y, x) voxels of level 0, and open it for writing.

        Its voxel *i* covers the voxels from ``i * scale`` up to ``(i + 1) * scale`` of level 0.

        Raises
        ------
        AlreadyThere
            If there is a level as coarse.
        ReadOnly
            If the array is open for reading.
        """
        self._must_be_writable()
        last = self._scales()[-1]
        if min(scale) < 1 or math.prod(scale) <= math.prod(last):
            raise AlreadyThere(f"{self.name} has a level of scale {last}; a new one must be coarser, not {scale}")
        spec = self._coarser(scale)
        path = self._free_path()
        folder = local_path(self._home.path) / path
        folder.mkdir()
        write_array(folder, array_documents(spec, spec.encoding or {}, own(spec)))
        self._rewrite(lambda old: ome.with_dataset(old, ome.dataset(path, spec, scale)))
        return self.level(len(self._datasets()) - 1)

    def _datasets(self) -> list[ome.Dataset]:
        entry = ome.multiscales(must_find(self._home.path).attributes)
        if entry is None:
            raise CorruptData(f"{self._home.path} has lost its multiscales since it was opened")
        return ome.datasets(entry, self._home.path)

    def _scales(self) -> list[tuple[int, int, int]]:
        found = self._datasets()
        if len(found) > 1 and len({one.scale for one in found}) == 1:
            shapes = [must_find(f"{self._home.path}/{one.path}").document["shape"] for one in found]
            found = [one.of_extent(shape) for one, shape in zip(found, shapes, strict=True)]
        return [one.ratio(found[0]) for one in found]

    def _level(self, one: ome.Dataset, scale: tuple[int, int, int]) -> Level:
        size, first = one.nm(one.scale), one.nm(one.translation)
        if size is None or first is None:
            return Level(scale, (0.0, 0.0, 0.0))
        begin = [a // n for a, n in zip(self.spec.frame.start, scale, strict=True)]
        z, y, x = (round(f - b * s, 9) if b else f for f, b, s in zip(first, begin, size, strict=True))
        return Level(scale, (z, y, x))

    def _coarser(self, scale: tuple[int, int, int]) -> VolumeSpec:
        spec = self.spec
        start, stop = list(spec.domain.start), list(spec.domain.stop)
        for axis, n in zip("zyx", scale, strict=True):
            if axis in spec.axes:
                place = spec.axes.index(axis)
                start[place], stop[place] = start[place] // n, -(-stop[place] // n)
        size, offset = spec.voxel_size_nm, spec.offset_nm
        if size is not None:
            z, y, x = (o + v * (n - 1) / 2 for o, v, n in zip(offset, size, scale, strict=True))
            offset = (z, y, x)
            size = (size[0] * scale[0], size[1] * scale[1], size[2] * scale[2])
        return spec.but(domain=Box(tuple(start), tuple(stop)), voxel_size_nm=size, offset_nm=offset)

    def _free_path(self) -> str:
        paths = [one.path for one in self._datasets()]
        lead = paths[-1].rstrip("0123456789") if len(paths) > 1 or not paths[0].isdigit() else ""
        number = len(paths)
        while (local_path(self._home.path) / f"{lead}{number}").exists():
            number += 1
        return f"{lead}{number}"


def must_find(path: str) -> Node:
    """The node at `path`.

    Raises
    ------
    NotFound
        If there is none.
    """
    node = find(path)
    if node is None:
        raise NotFound(f"there is no zarr array or group at {path}: no zarr.json, .zarray or .zgroup")
    return node


def open_array(
    node: Node, dataset: ome.Dataset | None, *, name: str, writable: bool, labels: bool = False
) -> ZarrSource:
    """Open one array, `dataset` being its place in a pyramid if it has one."""
    handle = open_handle(node, writable=writable)
    view, spec = layout(node, handle, dataset, attributes=node.attributes, labels=labels)
    return ZarrSource(view, spec, node=node, home=node, name=name, writable=writable)


def open_pyramid(group: Node, entry: Mapping[str, Any], *, name: str, writable: bool) -> PyramidSource:
    """Open the finest level of the multiscale `entry` of `group`."""
    finest = ome.datasets(entry, group.path)[0]
    node = must_find(f"{group.path}/{finest.path}")
    handle = open_handle(node, writable=writable)
    labels = ome.holds_labels(group.attributes)
    view, spec = layout(node, handle, finest, attributes=group.attributes, labels=labels)
    return PyramidSource(view, spec, node=node, home=group, name=name, writable=writable)
