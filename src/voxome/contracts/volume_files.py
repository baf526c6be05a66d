"""Volumes as the files of a format, none of which is stored: what a server needs to speak that format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from voxome.contracts.spec import Scale, VolumeSpec
from voxome.geometry import Box


@dataclass(frozen=True)
class ChunkFile:
    """A file with the voxels of one chunk.

    Attributes
    ----------
    level : int
        Level of the pyramid, 0 being the finest.
    box : Box
        Its voxels inside the volume, in the coordinates of the level.
    """

    level: int
    box: Box


@dataclass(frozen=True)
class ChunkNames:
    """Paths of the files of all chunks of a level.

    Attributes
    ----------
    start : str
        What all of them begin with.
    parts : tuple of tuple of str
        What may follow, one part of each axis, in the order of the path; sorted. No part begins another one, but along
        the last axis.
    """

    start: str
    parts: tuple[tuple[str, ...], ...]


class VolumeFiles(Protocol):
    """The files of a volume with its levels, by their paths below its folder. Methods may be called from threads."""

    def metadata(self) -> Mapping[str, bytes]:
        """Return path → content of the files that describe it.

        Raises
        ------
        UnsupportedFormat
            If the format cannot describe such a volume.
        """

    def find(self, path: str) -> ChunkFile | None:
        """Return the chunk whose file has this path; None if no chunk of the grid has."""

    def encode(self, chunk: ChunkFile, voxels: NDArray[Any]) -> bytes | memoryview:
        """Return the content of the file of a chunk; equal voxels give equal bytes.

        Parameters
        ----------
        chunk : ChunkFile
            A chunk that `find` has returned.
        voxels : array
            The voxels of its box.
        """

    def decode(self, chunk: ChunkFile, content: bytes | memoryview) -> NDArray[Any]:
        """Return the voxels, in the data type of the level, of the box of a chunk whose file has this content.

        What a file has beyond the volume is left out.

        Raises
        ------
        InvalidInput
            If the content is not a file of this chunk.
        """

    def most_bytes(self, chunk: ChunkFile) -> int:
        """Return the bytes of the longest content that a file of a chunk can have."""

    def chunk_names(self) -> Sequence[ChunkNames]:
        """Return the paths of all chunks, level by level."""

    def size(self, chunk: ChunkFile) -> int | None:
        """Return the bytes of the file of a chunk; None if they depend on its voxels."""


@runtime_checkable
class SupportsVolumeFiles(Protocol):
    """A remote that tells which files a volume would be in its format."""

    def volume_files(self, levels: Sequence[VolumeSpec], name: str) -> VolumeFiles:
        """Return the files of a volume.

        Parameters
        ----------
        levels : sequence of VolumeSpec
            Its levels, finest first, each with the `read_chunk` that its files should have; `encoding` of the first
            is that of all.
        name : str
            What it is called, in metadata and messages.

        Raises
        ------
        UnsupportedFormat
            If the format has no such volumes; the message says why.
        """


def scale_by_shape(coarse: VolumeSpec, fine: VolumeSpec) -> Scale:
    """Return how many voxels (z, y, x) of `fine` lie along one of `coarse`, by their shapes; 1 along a missing axis.

    That is what is known about levels whose voxel sizes are not.
    """
    ratios = {
        axis: max(1, round(fine.domain.shape[i] / max(1, coarse.domain.shape[i])))
        for i, axis in enumerate(fine.axes)
        if axis in "zyx"
    }
    return (ratios.get("z", 1), ratios.get("y", 1), ratios.get("x", 1))
