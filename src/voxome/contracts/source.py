"""What a store offers: sources of voxels, found by URI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.geometry import Box

Mode = Literal["r", "r+"]
"""Read only, or read and write what is there."""


@dataclass(frozen=True)
class Version:
    """What a store says of the state of an array.

    A `pinned` one never changes under its token, so results computed from it may be used again in other runs; one that
    is not pinned is a hint only (a time, a size).
    """

    token: str
    pinned: bool


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
