"""Optional abilities of remotes and sources, a protocol each; `ability` finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.levels import Level
from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, Source, Version, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.geometry import Box


@runtime_checkable
class SupportsRecognise(Protocol):
    """A remote that recognises its format at a bare local path."""

    def recognises(self, path: Path) -> bool:
        """Return whether the absolute `path` (a file, a folder, or a path into a file) has this format; be cheap."""


@runtime_checkable
class SupportsSignature(Protocol):
    """A remote that says by what it recognises its format, for messages."""

    @property
    def signature(self) -> str:
        """What it looks for: ``a folder with zarr.json, .zarray or .zgroup``."""


@runtime_checkable
class SupportsUriOptions(Protocol):
    """A remote that names the options of its URIs; any other option is refused before it sees the URI."""

    @property
    def uri_options(self) -> tuple[str, ...]:
        """Options after ``?``, without those that all stores have."""


@runtime_checkable
class SupportsMarkerFiles(Protocol):
    """A remote whose format is recognised by certain files, in a folder of any store."""

    @property
    def marker_files(self) -> tuple[str, ...]:
        """Paths of JSON files, at least one of which every folder of this format contains."""

    def recognises_folder(self, folder: Uri) -> bool:
        """Return whether a folder with one of the marker files has this format, in any store; be cheap."""


@runtime_checkable
class SupportsCreate(Protocol):
    """A remote that creates arrays."""

    def create(self, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        """Create an array and open it for writing.

        Raises
        ------
        AlreadyExists
            If something is stored there.
        UnsupportedFormat
            If the format cannot hold such an array.
        """


@runtime_checkable
class SupportsCheckSpec(Protocol):
    """A remote that knows, without creating anything, whether it can create an array."""

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        """Raise the errors of `create` that follow from the spec.

        Raises
        ------
        UnsupportedFormat, InvalidInput
            If the format cannot hold such an array.
        """


@runtime_checkable
class SupportsAdaptSpec(Protocol):
    """A remote whose arrays share the domain of others, or get all their levels when they are created."""

    def adapt_spec(self, uri: Uri, spec: VolumeSpec, levels: int) -> VolumeSpec:
        """Return the spec to create an array with, so that it has a place for one of `spec` with so many levels."""


@runtime_checkable
class SupportsPage(Protocol):
    """A source that its store shows on a web page, as BossDB shows a channel."""

    @property
    def page(self) -> str:
        """URL of the page."""

    @property
    def viewer_source(self) -> str:
        """Source that Neuroglancer opens."""

    def downsample_status(self) -> str:
        """Return the progress of the coarser levels, as the server words it."""


@runtime_checkable
class SupportsDelete(Protocol):
    """A remote that deletes arrays."""

    def delete(self, uri: Uri) -> None:
        """Delete the array at `uri` with all its levels."""


@runtime_checkable
class SupportsDeleteCheck(Protocol):
    """A remote in which not everything that can be opened can be deleted."""

    def check_deletable(self, uri: Uri) -> None:
        """Raise if what is opened at `uri` is a link, say, and not the array.

        Raises
        ------
        InvalidInput
        """


@runtime_checkable
class SupportsOwnFiles(Protocol):
    """A remote whose volumes are folders of files, and which removes a volume with its whole folder."""

    def own_files(self, uri: Uri) -> str:
        """Return a regular expression for the files of the volume at `uri`: those to which its metadata lead.

        Paths are relative to its folder.
        """


@runtime_checkable
class SupportsListedFiles(Protocol):
    """A remote whose volumes are some of the files of a folder, which it removes one by one."""

    def listed_files(self, uri: Uri) -> Sequence[Path]:
        """Return the files of the volume at `uri`: those that it removes."""


@runtime_checkable
class SupportsReplacement(Protocol):
    """A remote whose files contain several arrays, one of which can be replaced by a new one when that is complete."""

    def replacement(self, uri: Uri) -> AbstractContextManager[Uri]:
        """Yield where to create the array that replaces the one at `uri` when the body of the ``with`` statement ends.

        Until then, and if the body fails or the process is killed, the old one stays.
        """


@runtime_checkable
class SupportsFileParts(Protocol):
    """A remote whose files contain several arrays."""

    def file_parts(self, uri: Uri) -> tuple[Path, str]:
        """Return the file of the array at `uri`, which need not exist, and the path of the array in it."""


@runtime_checkable
class SupportsWriteCheck(Protocol):
    """A source that knows, without writing anything, whether it can be written."""

    def check_writable(self) -> None:
        """Raise the error of a write, if its store refuses all of them.

        Raises
        ------
        ReadOnly
        """


@runtime_checkable
class SupportsPinnedVersions(Protocol):
    """A source whose voxels change by edits, and whose earlier versions can be read."""

    def current_version(self) -> str:
        """Return the name of the version now: letters, digits and ``.``, never those of other voxels."""

    def at_version(self, version: str) -> VolumeSource:
        """Return a version, which never changes.

        Raises
        ------
        NotFound
            If there is no such version.
        """


@runtime_checkable
class SupportsLevels(Protocol):
    """A source with a pyramid; each level is opened separately."""

    @property
    def levels(self) -> Sequence[Level]:
        """All levels that the store lists, finest first, whether or not each can be opened."""

    def level(self, number: int) -> VolumeSource:
        """Open level `number`, 0 being the finest.

        Raises
        ------
        NotFound
            If the pyramid has no such level, or its array is missing.
        """

    def create_level(self, scale: Scale) -> VolumeSource:
        """Add a level that is coarser than all others, and open it for writing.

        Raises
        ------
        InvalidInput
            If it is not coarser than all others, or their voxels are not whole multiples of the finest ones.
        """


@runtime_checkable
class SupportsStagedWrites(Protocol):
    """A source that collects the parts of a chunk or shard, and stores it once."""

    def stage(self) -> AbstractContextManager[Callable[[Box, NDArray[Any]], None]]:
        """Return a context that yields a function like `write`, of several threads too; voxels are stored at its end.

        After an error, nothing is stored.
        """


@runtime_checkable
class SupportsLevelOffset(Protocol):
    """A source with a pyramid whose store records where the voxels of each level are."""

    def create_level_at(self, scale: Scale, offset_nm: tuple[float, float, float]) -> VolumeSource:
        """Add a level as `create_level` does, with the centre of its voxel index 0 at `offset_nm` (z, y, x)."""


@runtime_checkable
class SupportsOpenLevel(Protocol):
    """A remote that opens a single level of a pyramid, even if others are missing or damaged."""

    def open_level(self, uri: Uri, number: int, *, mode: Mode = "r") -> Source:
        """Open level `number` of the pyramid at `uri`, 0 being the finest; a resource without levels is opened itself.

        Raises
        ------
        NotFound
            If the level does not exist.
        """


@runtime_checkable
class SupportsOwnDownsampling(Protocol):
    """A source whose store computes the coarser levels itself."""

    def downsample(self, *, wait: bool = True) -> str:
        """Let the store compute all levels, unless it has; return its status.

        Parameters
        ----------
        wait : bool
            Whether to return only when the levels are there.

        Raises
        ------
        StoreError
            If the store reports that it failed.
        """


@runtime_checkable
class SupportsFixedScales(Protocol):
    """A source whose store determines the scale of the next level."""

    @property
    def next_scale(self) -> tuple[int, int, int]:
        """Scale that `create_level` requires."""


@runtime_checkable
class SupportsAttributes(Protocol):
    """A source whose store has JSON attributes beside the voxels."""

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        """Set some attributes and keep the others, atomically."""


@runtime_checkable
class SupportsMetadata(Protocol):
    """A source whose store has metadata that are set one by one."""

    @property
    def metadata(self) -> MutableMapping[str, Any]:
        """Live view: reading queries the store, assigning changes it."""


@runtime_checkable
class SupportsIds(Protocol):
    """A source of labels whose store has an index of them."""

    def ids(self, box: Box) -> NDArray[np.uint64]:
        """Return the labels in `box`, sorted, without 0."""

    def bounding_box(self, label: int, *, exact: bool = True) -> Box:
        """Return the bounding box of a label; unless `exact`, it may be larger where that is faster.

        Raises
        ------
        NotFound
            If the label does not exist.
        """

    def reserve_ids(self, count: int) -> range:
        """Reserve labels, which the store will not assign again."""


@runtime_checkable
class SupportsRequests(Protocol):
    """A source that reads by requests to a server, rather than chunk by chunk."""

    @property
    def chunk_origin(self) -> tuple[int, ...]:
        """Index at which a chunk of the server begins."""

    def count_requests(self, box: Box) -> int:
        """Return the number of requests that reading `box` takes."""


@runtime_checkable
class SupportsVoxelVersion(Protocol):
    """A source whose `version` knows only its metadata, but that can also tell whether voxels have changed."""

    def voxel_version(self) -> Version | None:
        """Return the state of all voxels, at the cost of a listing; None if the store cannot tell."""


@runtime_checkable
class SupportsProvenance(Protocol):
    """A source whose store keeps the provenance of a resource with it."""

    def read_provenance(self) -> tuple[Provenance, ...]:
        """Return all that has made the resource, oldest first; what others wrote is read as far as possible."""

    def add_provenance(self, one: Provenance) -> None:
        """Add an entry; those of others are kept.

        Raises
        ------
        ReadOnly
            If the resource was not opened for writing.
        """


def most_detailed_version(source: VolumeSource) -> Version:
    """Return the version of a source that covers its voxels, at the cost of a listing, where the store can tell.

    Files on this machine are known by their inodes, sizes and times, those of a chunked format one by one.
    """
    version = source.version()
    if version.pinned or version.covers_voxels:
        return version
    detailed = ability(source, SupportsVoxelVersion)
    return (detailed and detailed.voxel_version()) or version


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
    """Return `source`, or what it provides, as `protocol`; None if it does not have that ability.

    This is the only way to find an ability: by a method ``ability(protocol)``, a source provides one through another
    object, and a wrapper passes on, replaces or hides those of the source inside.
    """
    provide = getattr(source, "ability", None)
    if provide is not None:
        return cast("Ability | None", provide(protocol))
    return source if isinstance(source, protocol) else None
