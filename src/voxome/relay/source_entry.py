"""What the relay serves under a name, as reads see it: a stored source or a virtual layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from voxome.contracts.spec import Scale, VolumeSpec
from voxome.geometry import Box
from voxome.relay.cache.array import CachedArray
from voxome.relay.cache.counters import SourceCounters
from voxome.relay.cache.generations import Generations
from voxome.relay.caching import Caching
from voxome.relay.rights import Rights
from voxome.relay.virtual.variants import Setting


class ReadableSource(Protocol):
    """A stored volume, or one computed when it is read. Its methods may be called from several threads."""

    @property
    def spec(self) -> VolumeSpec:
        """Shape and meaning."""

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of `box`."""


@dataclass(frozen=True)
class SourceStatus:
    """What the chunks that are computed from a source depend on, besides writes to it.

    Attributes
    ----------
    incarnation : str
        Never used again once the source has been replaced.
    epoch : int
        Number of times that it has expired.
    oldest_epoch : int
        First epoch whose chunks are still served while it cannot be reached.
    """

    incarnation: str
    epoch: int
    oldest_epoch: int


class SourceEntry(Protocol):
    """A source as it is served. Its methods may be called from several threads.

    All that open it raise VoxomeError or OSError if that fails.
    """

    @property
    def identity(self) -> str:
        """The same for all names of a volume, and in all processes."""

    @property
    def rights(self) -> Rights:
        """Who may read and write it."""

    @property
    def caching(self) -> Caching:
        """How it is cached."""

    @property
    def counters(self) -> SourceCounters:
        """Counters of its reads."""

    @property
    def depth(self) -> int:
        """Number of layers, each over the next, down to a stored source."""

    @property
    def is_local(self) -> bool:
        """Whether all its voxels are on this machine, or are computed from such voxels."""

    @property
    def is_at_hand(self) -> bool:
        """Whether its voxels are in files of this machine."""

    @property
    def is_cached(self) -> bool:
        """Whether it is cached, if the relay has a cache."""

    @property
    def prefetches(self) -> bool:
        """Whether chunks beside those that are read are fetched or computed too."""

    @property
    def is_overdue(self) -> bool:
        """Whether it could not be checked when that was due."""

    def open(self) -> ReadableSource:
        """Return its finest level."""

    def open_level(self, number: int) -> ReadableSource | None:
        """Return a level; None if it does not exist."""

    def level_count(self) -> int:
        """Return the number of levels: 1 without a pyramid."""

    def scales(self) -> tuple[Scale | None, ...]:
        """Return the scales of all levels."""

    def array(self, number: int) -> CachedArray | None:
        """Return a level as it is cached; None if it does not exist."""

    def read(self, source: ReadableSource, box: Box) -> NDArray[Any]:
        """Return voxels of a level, without a cache."""

    def waiting(self) -> AbstractContextManager[None]:
        """Return the context in which a request waits for it, and lets others work."""

    def status(self) -> SourceStatus:
        """Return its state, as it was when it was last checked."""

    def version(self, generations: Generations) -> str:
        """Return a text that changes whenever voxels may have changed."""

    def check(self) -> bool:
        """Find out whether it was replaced; return whether it was."""

    def settings(self) -> tuple[Setting, ...]:
        """Return the parameters that clients may change, with their values; none for a stored source."""


Guard = Callable[[], AbstractContextManager[None]]
"""Returns the context in which the voxels of a source are written."""
