"""What some remotes and sources can do beyond reading and writing: one protocol an ability."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.levels import Level
from voxome.contracts.source import Mode, Source, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.geometry import Box


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
        AlreadyExists
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
        """All levels that the store lists, finest first, whether or not each can be opened."""

    def level(self, number: int) -> VolumeSource:
        """Open level `number`; 0 is the finest.

        Raises
        ------
        NotFound
            If the pyramid has no such level, or its array is missing.
        """

    def create_level(self, scale: Scale) -> VolumeSource:
        """Add a level, coarser than all there are, and open it for writing.

        Raises
        ------
        InvalidInput
            If it is not coarser than all there are, or their voxels are not whole multiples of the finest ones.
        """


@runtime_checkable
class SupportsOpenLevel(Protocol):
    """A remote that opens one level of a pyramid on its own, whatever state the others are in."""

    def open_level(self, uri: Uri, number: int, *, mode: Mode = "r") -> Source:
        """Open level `number` of the pyramid that `uri` names, 0 being the finest, or what else it names.

        Raises
        ------
        NotFound
            If there is no such level.
        """


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


class Connection(Protocol):
    """A connection to a store beyond its volumes; each remote documents its own class."""

    @property
    def url(self) -> str:
        """Address of the server."""


@runtime_checkable
class SupportsConnect(Protocol):
    """A remote with more than volumes: projects, versions, permissions."""

    def connect(self, uri: Uri) -> Connection:
        """Connect to the store at `uri`."""


Ability = TypeVar("Ability")


def ability(source: object, protocol: type[Ability]) -> Ability | None:
    """The `protocol` face of `source`, or None if it does not have that ability.

    The only way to ask: a wrapper forwards, changes or refuses an ability by a method ``ability(protocol)``.
    """
    ask = getattr(source, "ability", None)
    if ask is not None:
        return cast("Ability | None", ask(protocol))
    return source if isinstance(source, protocol) else None
