"""Kinds of tool inputs and outputs: each opens, writes, checks and folds its own data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from voxome.contracts.frame import Frame
from voxome.contracts.handle import Handle
from voxome.contracts.provenance import Provenance
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.geometry import BlockGrid, Box
from voxome.geometry.grid import Block

Rows = dict[str, NDArray[Any]]
"""A table in memory: one array a column, all of one length."""

Arrays = dict[str, NDArray[Any]]
"""The content of data, by name: the columns of a table, the ``voxels`` of a volume."""

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an output of a step is kept, and what decides its form.

    Attributes
    ----------
    name, tool : str
        Of the output and of the tool that returns it.
    uri : str
        Where the data are, as the kind's `location` says.
    folder : str
        Address of the folder of the step; what is below ``folder/name`` belongs to this output.
    step, key : str
        Name and key of the step.
    frame : Frame or None
        Voxels of the step; None for a tool of whole tables without any.
    block : (z, y, x)
        Its write box in voxels.
    parameters : mapping
        All parameters of the tool.
    grids : tuple of BlockGrid
        The blocks of each phase of the step; none for a tool of whole tables.
    spans : tuple of int
        Blocks of a job of each phase: job *i* has the blocks from ``i * span`` on.
    existing : bool
        Whether the data existed before the step, which then only writes into them.
    replacing : bool
        Whether a result of another call at `uri` is replaced.
    provenance : Provenance or None
        What makes the output; known when it is finished.
    """

    name: str
    tool: str
    uri: str
    folder: str
    step: str
    key: str
    frame: Frame | None
    block: tuple[int, int, int]
    parameters: Parameters
    grids: tuple[BlockGrid, ...] = ()
    spans: tuple[int, ...] = ()
    existing: bool = False
    replacing: bool = False
    provenance: Provenance | None = None

    def jobs(self, phase: int) -> int:
        """Return the number of jobs of a phase."""
        return -(-len(self.grids[phase]) // self.spans[phase])


class Reader(Protocol):
    """An input, open in a worker."""

    def read(self, box: Box) -> object:
        """Return the argument of a tool of blocks: for a volume, the voxels of `box` (z, y, x)."""

    def view(self) -> object:
        """Return the argument of a tool with random access."""


class Writer(Protocol):
    """An output, open in a thread of a worker, written block by block."""

    def begin_job(self) -> None:
        """Discard what a job that failed has left."""

    def write(self, value: object, block: Block) -> None:
        """Take what the tool returned for `block`."""

    def end_job(self, phase: int, job: int) -> None:
        """Store what is not stored yet: on return, the data of the job survive the process."""


class RegionRows(Protocol):
    """Rows that a tool of regions has written so far, read region by region."""

    def rows(self, level: int, index: int) -> Rows:
        """Return the rows of region `index` of `level`."""


class Kind(ABC):
    """A kind of data between steps. A subclass is a frozen dataclass of what distinguishes one input from another."""

    type: ClassVar[str]
    """What handles call it: ``volume``, ``table``, …"""
    is_volume: ClassVar[bool] = False
    """Whether it consists of voxels, which a VolumeSpec describes."""
    covers_frame: ClassVar[bool] = False
    """Whether an input has to cover all voxels of its step, with voxels of its own that may have another size."""
    has_parts: ClassVar[bool] = False
    """Whether jobs of a tool of blocks write parts, which `fold_parts` combines after the last of them."""

    @abstractmethod
    def locate(self, handle: Handle, *, level: int = 0) -> Handle:
        """Return a handle of data from outside a run with an absolute URI, and with their version as its key.

        Parameters
        ----------
        handle : Handle
            As a person gave it.
        level : int
            Level of the pyramid, of a volume whose URI names none.

        Raises
        ------
        NotFound, CorruptData, UnsupportedFormat
        """

    def spec(self, handle: Handle) -> VolumeSpec | None:
        """Return the spec of a volume that exists; None for other kinds."""
        return None

    def problems(self, handle: Handle, spec: VolumeSpec | None) -> Iterator[str]:
        """Yield what makes the data of a handle unsuitable as this input, as predicates: ``must be uint8, but is …``.

        Parameters
        ----------
        handle : Handle
            Data with ``{store}`` in their URI do not exist yet.
        spec : VolumeSpec, optional
            Of a volume.
        """
        yield from ()

    @abstractmethod
    def open(self, handle: Handle) -> Reader:
        """Open an input."""

    def arrays(self, handle: Handle, frame: Frame) -> Arrays | None:
        """Return the data as arrays, equal only if the data are, so that results can be compared.

        Parameters
        ----------
        handle : Handle
            Data that exist.
        frame : Frame
            The part to compare, of a volume: its ``voxels``, the last axes of which are z, y and x.

        Returns
        -------
        dict of str to array, or None
            None if the kind cannot be compared, or if a volume has other voxels than the frame.
        """
        return None

    @abstractmethod
    def location(self, base: str) -> str:
        """Return the URI of an output whose path, without extension, is `base`; options after ``?`` are kept."""

    def output_spec(self, frame: Frame, block: tuple[int, ...], parameters: Parameters) -> VolumeSpec | None:
        """Return the spec of an output over the box of `frame`; None for other kinds than volumes."""
        return None

    def scale_for(self, parameters: Parameters) -> Scale:
        """Return the voxels of the frame along one voxel of an output (z, y, x); 1 for other kinds than volumes."""
        return 1, 1, 1

    def target_uri(self, uri: str) -> str:
        """Return the absolute URI of data that an output is written into, which may have to exist.

        Raises
        ------
        NotFound, CorruptData, UnsupportedFormat
        """
        return self.locate(Handle(self.type, uri)).uri

    def prepare(self, target: Target) -> None:  # noqa: B027
        """Create what the jobs write into, or check that it is there.

        Raises
        ------
        AlreadyExists
            If there are data that do not belong to this step.
        """

    def target_problems(self, target: Target, workers: int) -> Iterator[str]:
        """Yield what prevents so many workers from writing the output into the existing data at ``target.uri``.

        Yields
        ------
        str
            A sentence for each problem.
        """
        yield f"{target.uri}: a {self.type} cannot be written into existing data"

    def discard(self, target: Target) -> None:  # noqa: B027
        """Remove the result of another call at ``target.uri``, which `target_problems` would let a new one replace."""

    @abstractmethod
    def is_lost(self, target: Target, done: Sequence[Collection[int]], *, ended: bool) -> bool:
        """Return whether data of finished jobs are missing.

        Parameters
        ----------
        target : Target
            Output to check.
        done : sequence of collection of int
            Numbers of the finished jobs of each phase.
        ended : bool
            Whether all jobs are done and folded, so that parts may have been removed by `drop_parts`.
        """

    @abstractmethod
    def is_complete(self, target: Target) -> bool:
        """Return whether the finished output of this step is there."""

    @abstractmethod
    def remove(self, target: Target) -> None:
        """Remove the output, finished or not; leave data that do not belong to this step."""

    def writer(self, target: Target) -> Writer:
        """Open an output of a tool of blocks or regions."""
        raise TypeError(f"{type(self).__name__} cannot be the output {target.name!r} of {target.tool}, block by block")

    def region_rows(self, target: Target) -> RegionRows:
        """Open what a tool of regions has written so far; it is passed on to the tool as ``Region.parts``."""
        raise TypeError(f"{type(self).__name__} cannot be the output {target.name!r} of {target.tool}, by region")

    def write(self, target: Target, value: object) -> None:
        """Write the output of a tool of whole tables."""
        raise TypeError(f"{type(self).__name__} cannot be the output {target.name!r} of {target.tool}, all at once")

    def fold_parts(self, target: Target) -> None:  # noqa: B027
        """Combine what the jobs wrote; may be repeated after an interruption."""

    def drop_parts(self, target: Target) -> None:  # noqa: B027
        """Remove what the jobs wrote and `fold_parts` has combined."""

    def finish(self, target: Target) -> None:  # noqa: B027
        """Mark the output as complete."""
