"""Sources as the relay recalls them: what is known of them without their stores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability, SupportsLevels, SupportsPinnedVersions, SupportsRequests, ability
from voxome.contracts.levels import Level
from voxome.contracts.source import Version, VolumeSource
from voxome.contracts.spec import Scale, VolumeSpec
from voxome.errors import CorruptData, StoreError, VoxomeError
from voxome.geometry import Box

OpenStore = Callable[[int], VolumeSource]
"""Returns a level of the source, opened now."""


@dataclass(frozen=True)
class RecalledLevel:
    """What is known of a level without its store.

    Attributes
    ----------
    spec : VolumeSpec
        Shape and meaning.
    chunk_origin : tuple of int or None
        Where chunks of its server begin; None if it has none.
    """

    spec: VolumeSpec
    chunk_origin: tuple[int, ...] | None

    @classmethod
    def of(cls, source: VolumeSource) -> RecalledLevel:
        """Return what has to be known of a level."""
        served = ability(source, SupportsRequests)
        return cls(source.spec, None if served is None else served.chunk_origin)

    def to_json(self) -> str:
        """Return it as JSON.

        Raises
        ------
        TypeError, ValueError
            If attributes of the volume are no values of JSON.
        """
        spec = {
            **vars(self.spec),
            "dtype": self.spec.dtype.str,
            "domain": [self.spec.domain.start, self.spec.domain.stop],
        }
        return json.dumps({"spec": spec, "chunk_origin": self.chunk_origin})

    @classmethod
    def from_json(cls, text: str) -> RecalledLevel:
        """Return the level that `to_json` has written.

        Raises
        ------
        CorruptData
            If it is something else.
        """
        with _parsing():
            fields = json.loads(text)
            spec, origin = fields["spec"], fields["chunk_origin"]
            start, stop = map(tuple, spec.pop("domain"))
            for name in ("axes", "voxel_size_nm", "offset_nm", "read_chunk", "write_chunk"):
                spec[name] = _tuple(spec[name])
            spec["dtype"] = np.dtype(spec["dtype"])
            return cls(VolumeSpec(Box(start, stop), **spec), _tuple(origin))


def levels_to_json(levels: Sequence[Level] | None) -> str:
    """Return the levels of a pyramid as JSON; None if the source is none."""
    return json.dumps(None if levels is None else [asdict(level) for level in levels])


def levels_from_json(text: str) -> list[Level] | None:
    """Return the levels that `levels_to_json` has written.

    Raises
    ------
    CorruptData
        If it is something else.
    """
    with _parsing():
        found: list[dict[str, Any]] | None = json.loads(text)
        return None if found is None else [Level(**{name: _tuple(one[name]) for name in one}) for one in found]


@contextmanager
def _parsing() -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, SyntaxError, RecursionError, VoxomeError) as error:
        raise CorruptData(f"what is known of a source is damaged: {error!r}") from error


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


class RecalledSource:
    """A level of a source that could not be opened; all but what is known of it waits for the store.

    Parameters
    ----------
    number : int
        Number of the level.
    level : RecalledLevel
        What is known of it.
    open_store : function
        Opens levels, or raises why that is not possible.
    pyramid : SupportsLevels, optional
        Its levels; None if it has none, or they are not known.
    is_pyramid_known : bool
        Whether it is known that it has no levels, or which.
    """

    concurrent_writers = False

    def __init__(
        self,
        number: int,
        level: RecalledLevel,
        open_store: OpenStore,
        pyramid: SupportsLevels | None = None,
        *,
        is_pyramid_known: bool = False,
    ) -> None:
        self.spec, self._number, self._open_store = level.spec, number, open_store
        self._chunk_origin, self._pyramid, self._is_pyramid_known = level.chunk_origin, pyramid, is_pyramid_known

    def ability(self, protocol: type[Ability]) -> Ability | None:
        """Return what is known of an ability; of others what the store has, once it can be opened."""
        if protocol is SupportsPinnedVersions:
            return None
        if protocol is SupportsLevels and self._is_pyramid_known:
            return cast("Ability | None", self._pyramid)
        if protocol is SupportsRequests:
            return None if self._chunk_origin is None else cast("Ability", self)
        return ability(self._store, protocol)

    @property
    def chunk_origin(self) -> tuple[int, ...]:
        """Index at which a chunk of the server begins."""
        return self._chunk_origin or self.spec.domain.start

    def count_requests(self, box: Box) -> int:
        """Return the number of requests that reading `box` takes."""
        served = ability(self._store, SupportsRequests)
        return 1 if served is None else served.count_requests(box)

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read a box from the store."""
        return self._store.read(box, out=out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write a box into the store."""
        self._store.write(box, data)

    def version(self) -> Version:
        """Return the version that the store has now."""
        return self._store.version()

    @property
    def _store(self) -> VolumeSource:
        return self._open_store(self._number)


class RecalledPyramid:
    """The levels of a source that could not be opened.

    Parameters
    ----------
    levels : sequence of Level
        All levels.
    known : function
        Returns what is known of one; None if that is nothing.
    open_store : function
        Opens levels, or raises why that is not possible.
    """

    def __init__(
        self, levels: Sequence[Level], known: Callable[[int], RecalledLevel | None], open_store: OpenStore
    ) -> None:
        self.levels, self._known, self._open_store = levels, known, open_store

    def level(self, number: int) -> VolumeSource:
        """Return a level, recalled or opened now."""
        known = self._known(number)
        return self._open_store(number) if known is None else RecalledSource(number, known, self._open_store)

    def create_level(self, scale: Scale) -> VolumeSource:
        """Refuse to add a level."""
        raise StoreError("no level can be added while the store is away; repeat it when it is back")
