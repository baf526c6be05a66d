"""What a store of volumes offers: a few methods, and optional abilities beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.geometry.axes import default_axes

Mode = Literal["r", "r+"]
"""Read only, or read and write what is there."""

VolumeKind = Literal["image", "labels", "probability"]
"""What the voxels mean: it decides how they are averaged, coloured and encoded."""


@dataclass(frozen=True)
class VolumeSpec:
    """The shape and meaning of one array, in the store's own coordinates.

    Attributes
    ----------
    domain : Box
        All voxels there are; ``domain.start`` is the store's own first index.
    dtype : numpy.dtype
        In native byte order.
    axes : tuple of str
        One name an axis; t, c, z, y, x in that order where the store names them.
    kind : {"image", "labels", "probability"}
        What the voxels mean.
    voxel_size_nm : (z, y, x) or None
        Edge lengths of a voxel in nm; None where the store does not say.
    offset_nm : (z, y, x)
        Position of the centre of voxel index 0, in nm.
    read_chunk, write_chunk : tuple of int or None
        Smallest pieces worth reading and safe to write side by side (the shard); None where there are none.
    fill : float or int
        The value of voxels that were never written.
    encoding : mapping, optional
        The format's own name and options; None takes its default.
    attributes : mapping
        What else the store says, or is to say: JSON values.
    """

    domain: Box
    dtype: np.dtype[Any]
    axes: tuple[str, ...] = ()
    kind: VolumeKind = "image"
    voxel_size_nm: tuple[float, float, float] | None = None
    offset_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    read_chunk: tuple[int, ...] | None = None
    write_chunk: tuple[int, ...] | None = None
    fill: float | int = 0
    encoding: Mapping[str, Any] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "axes", tuple(self.axes) or default_axes(self.domain.ndim))
        if len(self.axes) != self.domain.ndim or len(set(self.axes)) != len(self.axes):
            raise InvalidInput(f"axes {self.axes} do not name each of the {self.domain.ndim} axes once")
        for name in ("read_chunk", "write_chunk"):
            chunk = getattr(self, name)
            if chunk is not None and (len(chunk) != self.domain.ndim or min(chunk, default=1) < 1):
                raise InvalidInput(f"{name} {chunk} must have {self.domain.ndim} axes of at least 1 voxel")
        for name in ("voxel_size_nm", "offset_nm"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(float(length) for length in getattr(self, name)))
        size = self.voxel_size_nm
        if size is not None and (len(size) != 3 or min(size) <= 0):
            raise InvalidInput(f"voxel_size_nm {size} must be three positive lengths (z, y, x)")

    @classmethod
    def of(
        cls,
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        chunk: Sequence[int] | None = None,
        write_chunk: Sequence[int] | None = None,
        start: Sequence[int] | None = None,
        **others: Any,
    ) -> VolumeSpec:
        """A spec of `shape` that starts at `start` (the origin if None), in chunks of `chunk`.

        `write_chunk` is the smallest piece worth writing (a shard), `chunk` if None.

        Examples
        --------
        >>> VolumeSpec.of((64, 64, 64), "uint8", voxel_size_nm=(10, 10, 10)).axes
        ('z', 'y', 'x')
        """
        chunks = None if chunk is None else tuple(chunk)
        shards = chunks if write_chunk is None else tuple(write_chunk)
        return cls(Box.of_shape(shape, start), np.dtype(dtype), read_chunk=chunks, write_chunk=shards, **others)

    def replace(self, **changes: Any) -> VolumeSpec:
        """The same spec with some fields changed."""
        return replace(self, **changes)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The places of the z, y and x axes among `axes`."""
        return tuple(self.axes.index(name) for name in "zyx" if name in self.axes)

    @property
    def frame(self) -> Box:
        """The domain along z, y, x only.

        Raises
        ------
        InvalidInput
            If the volume lacks one of them.
        """
        if len(self.spatial) != 3:
            raise InvalidInput(f"a volume with axes z, y, x was expected, not {'/'.join(self.axes)}")
        return self.spatial_box(self.domain)

    def spatial_box(self, box: Box) -> Box:
        """The z, y, x part of a box in all axes."""
        return Box(tuple(box.start[i] for i in self.spatial), tuple(box.stop[i] for i in self.spatial))

    def lift(self, box_zyx: Box) -> Box:
        """The box in all axes that spans `box_zyx`, the other axes whole."""
        start, stop = list(self.domain.start), list(self.domain.stop)
        for place, a, b in zip(self.spatial, box_zyx.start, box_zyx.stop, strict=True):
            start[place], stop[place] = a, b
        return Box(tuple(start), tuple(stop))


@dataclass(frozen=True)
class Version:
    """What a store says of the state of an array.

    A `pinned` one never changes under its token, so results computed from it may be used again in other runs; one that
    is not pinned is a hint only (a time, a size).
    """

    token: str
    pinned: bool


Scale = tuple[int, int, int]
"""Voxels (z, y, x) of a finer array along one voxel of a coarser one."""


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes
    ----------
    scale : (z, y, x)
        Voxels of level 0 along one voxel of this level.
    offset_nm : (z, y, x)
        Position of the centre of its voxel index 0, in nm.
    """

    scale: Scale
    offset_nm: tuple[float, float, float]


@dataclass(frozen=True)
class ResourceInfo:
    """One thing that a remote lists."""

    uri: str
    type: str
    description: str = ""


@runtime_checkable
class VolumeSource(Protocol):
    """ONE array, in the store's own coordinates. Its methods may be called from several threads."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    @property
    def concurrent_writers(self) -> bool:
        """Whether several processes may write different chunks at once."""

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read `box` (into `out` if given).

        Raises
        ------
        InvalidBox
            If the box leaves the domain.
        CorruptData, StoreError
            If what is stored cannot be read; never zeros in its place.
        """

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `data`, of the box's shape. On return a new reader sees it, and ``kill -9`` does not lose it."""

    def version(self) -> Version:
        """What the store says of the array's state."""


class VolumeView(Protocol):
    """What a tool gets of a volume that it reads where it likes."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    def cutout(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`, in the store's coordinates."""


class Remote(Protocol):
    """One store, found by the scheme of its URIs."""

    def open(self, uri: Uri, *, mode: Mode = "r") -> VolumeSource:
        """Open what `uri` names.

        Raises
        ------
        NotFound
            If nothing is there.
        UnsupportedFormat
            If it is stored in a way that this remote does not read; the message names it.
        """

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        """What lies under `uri`."""


@runtime_checkable
class SupportsRecognise(Protocol):
    """A remote that can tell whether a bare local path is its own."""

    def recognises(self, path: str) -> bool:
        """Whether what lies at `path` (a file, a folder, or a path into a file) is of this format; cheap."""


@runtime_checkable
class SupportsMarkerFiles(Protocol):
    """A remote that can tell by certain files, in a folder anywhere, that it is its own."""

    @property
    def marker_files(self) -> tuple[str, ...]:
        """Paths of files, JSON objects, of which every folder of this format has one."""


@runtime_checkable
class SupportsCreate(Protocol):
    """A remote that makes new arrays."""

    def create(self, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        """Make an array; open it for writing.

        Raises
        ------
        AlreadyThere
            If something is stored there.
        UnsupportedFormat
            If the format cannot hold such an array.
        """


@runtime_checkable
class SupportsDelete(Protocol):
    """A remote that removes arrays."""

    def delete(self, uri: Uri) -> None:
        """Remove what `uri` names and all that is in it."""


@runtime_checkable
class SupportsLevels(Protocol):
    """A source with a pyramid; each level is a source of its own."""

    @property
    def levels(self) -> Sequence[Level]:
        """All levels, finest first."""

    def level(self, number: int) -> VolumeSource:
        """Level `number`; 0 is the finest."""

    def create_level(self, scale: Scale) -> VolumeSource:
        """Add a level, coarser than all there are, and open it for writing."""


@runtime_checkable
class SupportsFixedScales(Protocol):
    """A source whose store decides how coarse its next level is."""

    @property
    def next_scale(self) -> tuple[int, int, int]:
        """The scale that `create_level` is to be given."""


@runtime_checkable
class SupportsAttributes(Protocol):
    """A source whose store keeps JSON attributes beside the voxels."""

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes, keep the others; atomic."""


@runtime_checkable
class SupportsMetadata(Protocol):
    """A source whose store keeps names and values about it that are set one by one."""

    @property
    def metadata(self) -> MutableMapping[str, Any]:
        """A live view: reading asks the store, setting changes it."""


@runtime_checkable
class SupportsIds(Protocol):
    """A source of labels whose store knows which are where."""

    def ids(self, box: Box) -> NDArray[np.uint64]:
        """The labels in `box`, sorted, without 0."""

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        """The box of a label; one that holds it, where `exact` is not asked for and that is quicker.

        Raises
        ------
        NotFound
            If there is no such label.
        """

    def reserve_ids(self, count: int) -> range:
        """Labels that the store gives to nobody else."""


@runtime_checkable
class SupportsConnect(Protocol):
    """A remote with more to it than volumes: projects, versions, permissions."""

    def connect(self, uri: Uri) -> Any:
        """The store's own face at `uri`; each remote documents its own."""


Ability = TypeVar("Ability")


def ability(source: object, protocol: type[Ability]) -> Ability | None:
    """The `protocol` face of `source`, or None if it does not have that ability.

    The only way to ask: a wrapper forwards, changes or refuses an ability by a method ``ability(protocol)``.
    """
    ask = getattr(source, "ability", None)
    if ask is not None:
        return cast("Ability | None", ask(protocol))
    return source if isinstance(source, protocol) else None
