"""N5 arrays that are open: one alone, and the finest of a group whose arrays are the levels of a pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts.abilities import Level
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import InvalidInput, NotFound, ReadOnly, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.json_store import read_json, update_json
from voxome.remotes.levels import check_coarser, whole_scale
from voxome.remotes.n5.codecs import codec_of, is_lz4, plain_metadata
from voxome.remotes.n5.create import make_level
from voxome.remotes.n5.groups import ATTRIBUTES, Group
from voxome.remotes.n5.lz4 import unpacked_part
from voxome.remotes.n5.metadata_flavours import OWN, STRUCTURAL, Around, Json, Place, is_labels, is_multiset, place
from voxome.remotes.tensorstore import TensorStoreSource, reorder_axes
from voxome.storage.path import StoragePath as Store
from voxome.storage.tensorstore import open_store


class N5Source(TensorStoreSource):
    """One N5 array.

    Parameters
    ----------
    at : Place
        Its folder.
    mode : {"r", "r+"}
        Read only, or read and write.
    name : str
        The URI, for messages.
    around : Around
        The attributes above it, if it is a level.
    home : Place, optional
        The group whose attributes are the volume's own, if not those of the array.

    Raises
    ------
    NotFound
        If there is no array.
    UnsupportedFormat
        If its blocks are stored in a way that is not read, or its attributes make no sense.
    """

    def __init__(
        self, at: Store, *, mode: Mode, name: str, around: Around | None = None, home: Store | None = None
    ) -> None:
        array = read_json(at, ATTRIBUTES)
        if array is None or "dimensions" not in array:
            raise NotFound(f"{name}: there is no N5 array at {at}")
        around = around or Around()
        try:
            self.place = place(array, at.name, around)
            spec = _spec(array, self.place, around, free=around.group if home else array)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UnsupportedFormat(f"{name}: the attributes of this array make no sense: {error}") from error
        view = reorder_axes(_handle(at, array, mode, name), self.place.order, spec.domain.start)
        super().__init__(view, spec, name=name, writable=mode == "r+", metadata=(at, ATTRIBUTES))
        self._at, self._home, self._array = at, home or at, array

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if not is_lz4(self._array) or box.empty:
            return super().read(box, out=out)
        self._check(box)
        order, origin = self.place.order, self.spec.domain.start
        start, stop = [0] * len(order), [0] * len(order)
        for stored, a, b, o in zip(order, box.start, box.stop, origin, strict=True):
            start[stored], stop[stored] = a - o, b - o
        view = reorder_axes(unpacked_part(self._at, self._array, start, stop, self.name), order, origin)
        part = TensorStoreSource(view, self.spec, name=self.name, writable=False, metadata=self._metadata)
        return part.read(box, out=out)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes in ``attributes.json``, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the array is open for reading.
        InvalidInput
            If one of them describes the array itself.
        """
        self._need_write()
        if wrong := sorted(STRUCTURAL & set(changes)):
            raise InvalidInput(f"{self.name}: {', '.join(wrong)} describe the array itself; use other names")
        changed = update_json(self._home, ATTRIBUTES, lambda old: {**old, **changes})
        self._spec = self._spec.replace(attributes=_free(changed))

    def _need_write(self) -> None:
        if not self._writable:
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")


class N5Pyramid(N5Source):
    """The finest array of a group, with the others as its levels; its attributes are those of the group."""

    def __init__(self, group: Group, *, mode: Mode, name: str) -> None:
        first = group.place / group.names[0]
        super().__init__(first, mode=mode, name=name, around=group.around, home=group.place)
        self._group, self._mode = group, mode

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        return [Level(self._scale(one), one.spec.offset_nm) for one in (self, *self._coarser)]

    def level(self, number: int) -> VolumeSource:
        """Level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If there is no such level.
        """
        if not 0 <= number <= len(self._coarser):
            raise NotFound(f"{self.name} has no level {number}: its levels are 0 to {len(self._coarser)}")
        return self._open(self._group.names[0]) if number == 0 else self._coarser[number - 1]

    def create_level(self, scale: tuple[int, int, int]) -> VolumeSource:
        """Add a level whose voxels span `scale` (z, y, x) voxels of level 0, and open it for writing.

        Raises
        ------
        InvalidInput
            If it is not coarser than all there are.
        ReadOnly
            If the array is open for reading.
        """
        self._need_write()
        check_coarser(self.name, self.levels[-1].scale, scale)
        name = f"s{len(self._coarser) + 1}"
        group = self._group.place
        make_level(group, name, self.spec, scale, name=f"{self.name}/{name}")
        self._coarser.append(self._open(name))
        return self._coarser[-1]

    @cached_property
    def _coarser(self) -> list[N5Source]:
        return [self._open(name) for name in self._group.names[1:]]

    def _open(self, name: str) -> N5Source:
        around = self._group.around
        return N5Source(self._group.place / name, mode=self._mode, name=f"{self.name}/{name}", around=around)

    def _scale(self, level: N5Source) -> tuple[int, int, int]:
        coarse, fine = level.spec.voxel_size_nm, self.spec.voxel_size_nm
        if coarse is None or fine is None:
            coarse, fine = level.place.factor, self.place.factor
        return whole_scale(level.name, coarse, fine)


def _handle(at: Store, array: Json, mode: Mode, name: str) -> ts.TensorStore:
    if is_multiset(array):
        raise UnsupportedFormat(f"{name}: its blocks are Paintera label multisets, which voxome does not read")
    if is_lz4(array) and mode == "r+":
        raise UnsupportedFormat(f"{name}: blocks compressed by lz4 are read, not written; open it with mode='r'")
    metadata = plain_metadata(array, name)
    spec = {"driver": "n5", "kvstore": at.spec(), "metadata": metadata, "assume_metadata": True}
    return open_store(spec, name)


def _spec(array: Json, found: Place, around: Around, *, free: Json) -> VolumeSpec:
    if array["dataType"] in ("string", "object"):
        raise ValueError(f"its voxels are of type {array['dataType']!r}, not numbers")
    order, own = found.order, array.get(OWN, {})
    block = tuple(array["blockSize"][i] for i in order)
    kind: VolumeKind = own.get("kind") or ("labels" if is_labels(array, around) else "image")
    return VolumeSpec(
        Box.of_shape([array["dimensions"][i] for i in order], own.get("start")),
        np.dtype(array["dataType"]),
        axes=tuple(found.stored[i] for i in order),
        kind=kind,
        voxel_size_nm=found.voxel_size_nm,
        offset_nm=found.offset_nm,
        read_chunk=block,
        write_chunk=block,
        encoding={"codec": codec_of(array)},
        attributes=_free(free),
    )


def _free(attributes: Json) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in STRUCTURAL}
