"""Precomputed scales that are open: one alone, and the finest with the others as levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, Level
from voxome.contracts.source import MeshSource, Mode, SkeletonSource, VolumeSource
from voxome.errors import AlreadyExists, InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.remotes.json_store import update_json
from voxome.remotes.levels import check_coarser, coarser, whole_scale
from voxome.remotes.precomputed.compressed_chunks import Siblings, refuse_packed_shards
from voxome.remotes.precomputed.create import entered, new_scale
from voxome.remotes.precomputed.handles import oriented, shard_of
from voxome.remotes.precomputed.info import (
    STRUCTURAL,
    Json,
    check_scale,
    free_attributes,
    spec_of,
    voxel_sizes,
    with_attributes,
)
from voxome.remotes.precomputed.layers import open_link
from voxome.remotes.tensorstore import TensorStoreSource
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import open_store

INFO = "info"
_LINKED: Mapping[type[Any], str] = {MeshSource: "mesh", SkeletonSource: "skeletons"}
"""Ability → key of the metadata that names its folder."""


class PrecomputedSource(TensorStoreSource):
    """One scale of a precomputed volume.

    Parameters
    ----------
    place : Place
        The folder of the volume.
    info : mapping
        Its info file.
    number : int
        Which scale, 0 the finest.
    mode : {"r", "r+"}
        Read only, or read and write.
    name : str
        The URI, for messages.

    Raises
    ------
    UnsupportedFormat
        If its chunks are encoded in a way that is not read.
    """

    def __init__(self, place: StoragePath, info: Json, number: int, *, mode: Mode, name: str) -> None:
        check_scale(info, number, name)
        chunk = info["scales"][number]["chunk_sizes"][0]
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": place.spec(),
            "scale_index": number,
            "scale_metadata": {"chunk_size": chunk},
        }
        store = open_store(spec, name)
        super().__init__(
            oriented(store, info),
            spec_of(info, number, shard_of(store)),
            name=name,
            writable=mode == "r+",
            metadata=(place, INFO),
        )
        self._place, self._info, self._mode = place, info, mode
        self._siblings = None if info["scales"][number].get("sharding") else Siblings(place, info, number)
        if self._siblings is None:
            refuse_packed_shards(place, info["scales"][number]["key"], name)

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read `box`; what stays 0 is looked for in the compressed chunk files of cloud-volume."""
        data = super().read(box, out=out)
        if self._siblings is not None and not box.empty:
            self._siblings.patch(self.spec.spatial_box(box), data)
        return data

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `box`.

        Raises
        ------
        UnsupportedFormat
            If a chunk of it is a compressed file of cloud-volume.
        """
        self._need_write()
        self._check(box)
        if self._siblings is not None and not box.empty:
            self._siblings.refuse(self.spec.spatial_box(box))
        super().write(box, data)

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return this source as `protocol`, or the meshes or skeletons that the volume's metadata name."""
        key = _LINKED.get(protocol)
        found: object = self if key is None else open_link(self._place, self._info, key)
        return found if isinstance(found, protocol) else None

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes in ``info``, keep the others; atomic.

        Raises
        ------
        ReadOnly
            If the volume is open for reading.
        InvalidInput
            If one of them describes the volume itself.
        """
        self._need_write()
        if wrong := sorted(STRUCTURAL & set(changes)):
            raise InvalidInput(f"{self.name}: {', '.join(wrong)} describe the volume itself; use other names")
        self._info = update_json(self._place, INFO, lambda old: with_attributes(old, changes))
        self._spec = self._spec.replace(attributes=free_attributes(self._info))

    def _need_write(self) -> None:
        if not self._writable:
            raise ReadOnly(f"{self.name} is open for reading; open it with mode='r+'")


class PrecomputedPyramid(PrecomputedSource):
    """The finest scale, with the others as its levels."""

    def __init__(self, place: StoragePath, info: Json, *, mode: Mode, name: str) -> None:
        super().__init__(place, info, 0, mode=mode, name=name)

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""
        sizes = voxel_sizes(self._info)
        return [
            Level(whole_scale(self.name, size, sizes[0]), spec_of(self._info, number).offset_nm)
            for number, size in enumerate(sizes)
        ]

    def level(self, number: int) -> VolumeSource:
        """Level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If there is no such level.
        """
        count = len(self._info["scales"])
        if not 0 <= number < count:
            raise NotFound(f"{self.name} has no level {number}: its levels are 0 to {count - 1}")
        name = f"{self.name}?level={number}"
        return PrecomputedSource(self._place, self._info, number, mode=self._mode, name=name)

    def create_level(self, scale: tuple[int, int, int]) -> VolumeSource:
        """Add a level whose voxels span `scale` (z, y, x) voxels of level 0, and open it for writing.

        Raises
        ------
        InvalidInput
            If it is not coarser than all there are.
        ReadOnly
            If the volume is open for reading.
        """
        self._need_write()
        check_coarser(self.name, self.levels[-1].scale, scale)
        size = voxel_sizes(self._info)[0]
        made = new_scale(coarser(self.spec.replace(voxel_size_nm=size), scale), self.name)

        def enter(old: Json) -> Json:
            if made["key"] in [one["key"] for one in old["scales"]]:
                raise AlreadyExists(f"{self.name} has a scale {made['key']} already")
            return entered(old, made)

        self._info = update_json(self._place, INFO, enter)
        return self.level([one["key"] for one in self._info["scales"]].index(made["key"]))
