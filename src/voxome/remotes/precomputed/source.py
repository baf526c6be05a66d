"""Open scales of a precomputed volume: single ones, and the finest with the others as levels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import tensorstore as ts
from numpy.typing import NDArray

from voxome.config.machine import available_cpus
from voxome.contracts.abilities import Ability
from voxome.contracts.levels import Level, coarser, require_coarser, require_level
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import MeshSource, Mode, SkeletonSource, Version, VolumeSource
from voxome.contracts.uri import at_level
from voxome.errors import AlreadyExists, InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.remotes.precomputed.chunk_names import check_chunk_names
from voxome.remotes.precomputed.chunks_in_shards import PrecomputedChunks, chunks_in_shards
from voxome.remotes.precomputed.compressed_chunks import CompressedChunks, require_plain_shards
from voxome.remotes.precomputed.create import add_scale, new_scale, whole_shards
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.info import (
    STRUCTURAL,
    Json,
    check_encoding,
    check_members,
    free_attributes,
    has_channels,
    levels_of,
    parsing,
    scales_by_size,
    shard_of,
    spec_of,
    voxel_sizes,
    whole_numbers,
    with_attributes,
)
from voxome.remotes.precomputed.layers import open_link
from voxome.remotes.precomputed.provenance import add_provenance, read_provenance
from voxome.remotes.precomputed.stored_files import FolderFiles
from voxome.remotes.tensorstore import TensorStoreSource, reorder_axes
from voxome.storage.inside import inside
from voxome.storage.json_store import read_json, update_json
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import open_store

_LINKED: Mapping[type[Any], str] = {MeshSource: "mesh", SkeletonSource: "skeletons"}
"""Ability → key of the metadata that names its folder."""
_SCALE = ("key", "size", "resolution", "encoding", "sharding", "compressed_segmentation_block_size")


class PrecomputedSource(TensorStoreSource):
    """One scale of a precomputed volume.

    Parameters
    ----------
    folder : StoragePath
        Folder of the volume.
    info : mapping
        Content of its info file.
    number : int
        Index of the scale in ``scales``.
    mode : {"r", "r+"}
        Read only, or read and write.
    name : str
        URI, for messages.

    Raises
    ------
    UnsupportedFormat
        If voxome does not read its encoding.
    """

    def __init__(self, folder: StoragePath, info: Json, number: int, *, mode: Mode, name: str) -> None:
        with parsing(name):
            check_encoding(info, number, name)
            check_members(info, number)
            store = _open_scale(folder, info, number, name)
            spec = spec_of(info, number, shard_of(store))
            super().__init__(_orient(store, info), spec, name=name, writable=mode == "r+", metadata=(folder, INFO))
            self._folder, self._info, self._number, self._mode = folder, info, number, mode
            check_chunk_names(folder, info["scales"][number])
            sharded = info["scales"][number].get("sharding")
            orient = partial(_orient, info=info)
            self._compressed = None if sharded else CompressedChunks(folder, info, number, orient)
            if self._compressed is None:
                require_plain_shards(folder, info["scales"][number]["key"], name)

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read `box`; chunks that read as 0 are looked up in compressed files of cloud-volume."""
        data = super().read(box, out=out)
        if self._compressed is not None and not box.empty:
            self._compressed.patch(self.spec.spatial_box(box), data)
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `box`; in shards as `stage` does, as tensorstore keeps a shard over which only zeros are written.

        Raises
        ------
        UnsupportedFormat
            If one of its chunks is a compressed file of cloud-volume.
        """
        self._require_writable()
        self._check(box)
        if self._compressed is None:
            self._write_shards(box, self._values(box, data))
            return
        if not box.empty:
            self._compressed.require_none(self.spec.spatial_box(box))
        super().write(box, data)

    def _write_shards(self, box: Box, values: NDArray[Any]) -> None:
        if box.empty:
            return
        chunks = [one.write for one in BlockGrid(self.spec.domain, self.spec.read_chunk or box.shape, box)]
        with self.stage() as put, ThreadPoolExecutor(available_cpus()) as pool:
            list(pool.map(lambda chunk: put(chunk, values[chunk.within(box)]), chunks))

    def version(self) -> Version:
        """Return a digest of the metadata of the scale, which is only a hint; links to meshes do not change it."""
        described = {key: self._info.get(key) for key in ("data_type", "num_channels", "type")}
        text = json.dumps([described, self._info["scales"][self._number]], sort_keys=True)
        return Version(hashlib.sha256(text.encode()).hexdigest()[:16], pinned=False)

    def voxel_version(self) -> Version | None:
        """Return the state of all files of the scale on this machine; None for other stores, which list too slowly."""
        scale = self._folder / self._info["scales"][self._number]["key"]
        state = "" if scale.is_local and not scale.taken() else scale.tree_state()  # no chunk has been written
        return None if state is None else Version(f"{self.version().token}-{state}", pinned=False, covers_voxels=True)

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return this source as `protocol`, or the meshes or skeletons that the volume's metadata name."""
        key = _LINKED.get(protocol)
        found: object = self if key is None else open_link(self._folder, self._info, key)
        return found if isinstance(found, protocol) else None

    @property
    def neuroglancer_corner_nm(self) -> tuple[float, float, float]:
        """Where Neuroglancer shows the corner of voxel 0 (z, y, x): it starts there."""
        return (0.0, 0.0, 0.0)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes in ``info`` and keep the others, atomically.

        Raises
        ------
        ReadOnly
            If the volume is open for reading.
        InvalidInput
            If one of them describes the volume itself.
        """
        self._require_writable()
        if wrong := sorted(STRUCTURAL & set(changes)):
            raise InvalidInput(
                f"{self.name}: cannot set {', '.join(wrong)}, which describe the volume itself; use other names"
            )
        self._info = whole_numbers(update_json(self._folder, INFO, lambda old: with_attributes(old, changes)))
        self._spec = self._spec.replace(attributes=free_attributes(self._info))

    def stored_files(self, folder: str) -> FolderFiles | None:
        """Return the files of meshes or skeletons, as they are stored; None if ``info`` names none."""
        link = self._info.get(folder) if folder in _LINKED.values() else None
        return FolderFiles(inside(self._folder, str(link))) if link else None

    def read_segment_properties(self) -> Mapping[str, Any] | None:
        """Return the metadata of the properties of segments that ``info`` names; None if it names none."""
        link = self._info.get("segment_properties")
        return read_json(inside(self._folder, str(link)), INFO) if link else None

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return what the file ``provenance`` of the volume says."""
        return read_provenance(self._folder)

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry to the file ``provenance``, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the volume is open for reading.
        CorruptData
            If the file is something else.
        """
        self._require_writable()
        add_provenance(self._folder, one)

    def _chunks_in_shards(self) -> PrecomputedChunks | None:
        return chunks_in_shards(self._store)


class PrecomputedPyramid(PrecomputedSource):
    """Finest scale, with the others as levels."""

    def __init__(self, folder: StoragePath, info: Json, *, mode: Mode, name: str) -> None:
        with parsing(name):
            finest = scales_by_size(info)[0]
        super().__init__(folder, info, finest, mode=mode, name=name)

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        return levels_of(self._info)

    def level(self, number: int) -> VolumeSource:
        """Open level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If the level does not exist.
        """
        return open_level(self._folder, self._info, number, mode=self._mode, name=self.name)

    def create_level(self, scale: tuple[int, int, int]) -> VolumeSource:
        """Add a level whose voxels span `scale` (z, y, x) voxels of level 0, and open it for writing.

        Raises
        ------
        InvalidInput
            If it is not coarser than all others.
        ReadOnly
            If the volume is open for reading.
        """
        self._require_writable()
        require_coarser(self.name, self.levels, scale)
        size = voxel_sizes(self._info)[scales_by_size(self._info)[0]]
        new = new_scale(coarser(whole_shards(self.spec).replace(voxel_size_nm=size), scale), self.name)

        def enter(old: Json) -> Json:
            if new["key"] in [one["key"] for one in old["scales"]]:
                raise AlreadyExists(f"{self.name} already has a scale {new['key']}")
            return add_scale(old, new)

        self._info = whole_numbers(update_json(self._folder, INFO, enter))
        return self.level(len(self._info["scales"]) - 1)


def open_level(folder: StoragePath, info: Json, number: int, *, mode: Mode, name: str) -> PrecomputedSource:
    """Open level `number` of the volume in `folder`, 0 being the finest of the scales in `info`.

    Raises
    ------
    NotFound
        If the level does not exist.
    UnsupportedFormat
        If voxome does not read its encoding.
    """
    order = scales_by_size(info)
    require_level(name, number, len(order))
    return PrecomputedSource(folder, info, order[number], mode=mode, name=at_level(name, number))


def _orient(store: ts.TensorStore, info: Mapping[str, Any]) -> ts.TensorStore:
    """Bring a store with axes x, y, z, channel to z, y, x, or to c, z, y, x if the volume has channels."""
    view = reorder_axes(store, (3, 2, 1, 0))
    return view if has_channels(info) else view[0]


def _open_scale(folder: StoragePath, info: Json, number: int, name: str) -> ts.TensorStore:
    """Open one scale by its entry alone: tensorstore would refuse the volume for the invalid entry of another scale."""
    scale = info["scales"][number]
    volume = {"data_type": info["data_type"].lower(), "num_channels": info.get("num_channels", 1)}
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": folder.spec(),
        "multiscale_metadata": {"type": info.get("type", "image"), **volume},
        "scale_metadata": {
            **{key: scale[key] for key in _SCALE if scale.get(key) is not None},
            "voxel_offset": scale.get("voxel_offset") or [0, 0, 0],
            "chunk_size": scale["chunk_sizes"][0],
        },
        "assume_metadata": True,
    }
    return open_store(spec, name)
