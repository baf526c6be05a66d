"""Open N5 arrays: a single one, and the finest of a group whose arrays are the levels of a pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.contracts.levels import Level, require_coarser, require_level
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, VolumeSource
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.chunk_folders import numbered, require_chunk_files
from voxome.remotes.json_members import problem_of
from voxome.remotes.n5.codecs import codec_of, is_lz4, to_tensorstore_metadata
from voxome.remotes.n5.create import create_level
from voxome.remotes.n5.groups import ATTRIBUTES, Group, find_group
from voxome.remotes.n5.lz4 import unpacked_part
from voxome.remotes.n5.metadata_flavours import (
    STRUCTURAL,
    VOXOME,
    GroupContext,
    Json,
    Transform,
    check_array,
    is_labels,
    is_multiset,
    transform_of,
)
from voxome.remotes.provenance_json import read_attributes, with_entry
from voxome.remotes.tensorstore import TensorStoreSource, reorder_axes
from voxome.storage.json_store import read_json, update_json
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import open_store


class N5Source(TensorStoreSource):
    """One N5 array.

    Parameters
    ----------
    folder : StoragePath
        Where it is.
    mode : {"r", "r+"}
        Read only, or read and write.
    name : str
        The URI, for messages.
    context : GroupContext, optional
        The attributes above it, if it is a level.
    home : StoragePath, optional
        The group whose attributes are the volume's, if not those of the array.
    group : StoragePath, optional
        The group whose attributes have the provenance, if not those of the array.

    Raises
    ------
    NotFound
        If the array does not exist.
    UnsupportedFormat
        If its blocks are stored in a way that is not read, or its attributes follow no known convention.
    """

    def __init__(
        self,
        folder: StoragePath,
        *,
        mode: Mode,
        name: str,
        context: GroupContext | None = None,
        home: StoragePath | None = None,
        group: StoragePath | None = None,
    ) -> None:
        array = read_json(folder, ATTRIBUTES)
        if array is None or "dimensions" not in array:
            raise NotFound(f"{name}: the N5 array {folder} does not exist")
        context = context or GroupContext()
        try:
            check_array(array)
            transform = transform_of(array, folder.name, context)
            if len(transform.order) != len(array["dimensions"]):
                raise ValueError(f"axes {transform.stored} are named for {len(array['dimensions'])} dimensions")
            spec = _spec(array, transform, context, user=context.group if home else array)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise UnsupportedFormat(
                f"{name}: the attributes of this array cannot be interpreted: {problem_of(error)}"
            ) from error
        view = reorder_axes(_handle(folder, array, mode, name), transform.order, spec.domain.start)
        super().__init__(view, spec, name=name, writable=mode == "r+", metadata=(folder, ATTRIBUTES))
        self._folder, self._home, self._array, self._order = folder, home or folder, array, transform.order
        self._origin = group or self._home

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if not is_lz4(self._array) or box.empty:
            return super().read(box, out=out)
        self._check(box)
        order, origin = self._order, self.spec.domain.start
        start, stop = [0] * len(order), [0] * len(order)
        for stored, a, b, o in zip(order, box.start, box.stop, origin, strict=True):
            start[stored], stop[stored] = a - o, b - o
        view = reorder_axes(unpacked_part(self._folder, self._array, start, stop, self.name), order, origin)
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
        self._require_writable()
        if wrong := sorted(STRUCTURAL & set(changes)):
            raise InvalidInput(f"{self.name}: {', '.join(wrong)} describe the array itself; use other names")
        changed = update_json(self._home, ATTRIBUTES, lambda old: {**old, **changes})
        self._spec = self._spec.replace(attributes=_user_attributes(changed))

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the attributes say has made the volume."""
        return read_attributes(read_json(self._origin, ATTRIBUTES) or {})

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to ``attributes.json``, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the array is open for reading.
        CorruptData
            If the attribute for entries is something else.
        """
        self._require_writable()
        update_json(self._origin, ATTRIBUTES, lambda old: with_entry(old, one, self.name))


class N5Pyramid(N5Source):
    """The finest array of a group, with the others as its levels; its attributes are those of the group."""

    def __init__(self, group: Group, *, mode: Mode, name: str) -> None:
        finest = group.folder / group.names[0]
        super().__init__(finest, mode=mode, name=name, context=group.context, home=group.folder)
        self._group, self._mode = group, mode

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        return self._group.levels

    def level(self, number: int) -> VolumeSource:
        """Open level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If the level does not exist.
        """
        return open_level(self._group, number, mode=self._mode, name=self.name)

    def create_level(self, scale: tuple[int, int, int]) -> VolumeSource:
        """Add a level whose voxels span `scale` (z, y, x) voxels of level 0, and open it for writing.

        Raises
        ------
        InvalidInput
            If it is not coarser than all there are.
        ReadOnly
            If the array is open for reading.
        UnsupportedFormat
            If the metadata around the levels cannot list another one; nothing is changed.
        """
        self._require_writable()
        folder = self._group.folder
        self._group = find_group(folder) or self._group
        require_coarser(self.name, self.levels, scale)
        if self._order != tuple(reversed(range(len(self._order)))):
            raise UnsupportedFormat(
                f"{self.name}: levels are added to arrays stored as {', '.join(self.spec.axes[::-1])}; "
                "copy this volume, and add levels to the copy"
            )
        create_level(self._group, self.spec, scale, name=self.name)
        self._group = find_group(folder) or self._group
        return self.level(len(self._group.names) - 1)


def open_level(group: Group, number: int, *, mode: Mode, name: str) -> N5Source:
    """Open level `number` of `group`, 0 being its finest array.

    Raises
    ------
    NotFound
        If the level does not exist, or its array is missing.
    """
    require_level(name, number, len(group.names))
    path = group.names[number]
    folder = group.folder
    return N5Source(folder / path, mode=mode, name=f"{name}/{path}", context=group.context, group=folder)


def _handle(folder: StoragePath, array: Json, mode: Mode, name: str) -> ts.TensorStore:
    if is_multiset(array):
        raise UnsupportedFormat(
            f"{name}: its blocks are Paintera label multisets, which voxome does not read; export it as plain labels"
        )
    if is_lz4(array) and mode == "r+":
        raise UnsupportedFormat(f"{name}: blocks compressed by lz4 are read, not written; open it with mode='r'")
    metadata = to_tensorstore_metadata(array, name)
    spec = {"driver": "n5", "kvstore": folder.spec(), "metadata": metadata, "assume_metadata": True}
    opened = open_store(spec, name)
    if folder.is_local:
        first = Path(folder.path, *["0"] * opened.ndim)
        require_chunk_files(first.parent, numbered(first.name), f"dimensions and blockSize in {ATTRIBUTES}")
    return opened


def _spec(array: Json, transform: Transform, context: GroupContext, *, user: Json) -> VolumeSpec:
    order, ours = transform.order, array.get(VOXOME, {})
    block = tuple(array["blockSize"][i] for i in order)
    kind: VolumeKind = ours.get("kind") or ("labels" if is_labels(array, context) else "image")
    return VolumeSpec(
        Box.of_shape([array["dimensions"][i] for i in order], ours.get("start")),
        np.dtype(array["dataType"]),
        axes=tuple(transform.stored[i] for i in order),
        kind=kind,
        voxel_size_nm=transform.voxel_size_nm,
        offset_nm=transform.offset_nm,
        read_chunk=block,
        write_chunk=block,
        encoding={"codec": codec_of(array)},
        attributes=_user_attributes(user),
    )


def _user_attributes(attributes: Json) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in STRUCTURAL}
