"""Base class of the tests of a remote of volumes: flags and hooks of subclasses, and helpers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsCreate
from voxome.contracts.source import VolumeRemote, VolumeSource
from voxome.contracts.spec import VolumeKind, VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid, Box
from voxome.testing.strategies import DTYPES, boxes, noise

_SHAPES = {1: (37,), 2: (19, 23), 3: (13, 17, 11), 4: (2, 13, 17, 11), 5: (2, 2, 7, 9, 8)}
_CHUNKS = {1: (8,), 2: (8, 7), 3: (5, 6, 4), 4: (1, 5, 6, 4), 5: (1, 2, 3, 4, 5)}

any_example = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)
"""Settings of property tests: few examples, since each reads or writes a store."""


class VolumeCase(ABC):
    """Flags, fixtures and methods that a subclass sets, and helpers of the tests."""

    dtypes: ClassVar[Sequence[str]] = DTYPES
    """Data types that it supports; the first is used where any will do."""
    ranks: ClassVar[Sequence[int]] = (1, 2, 3, 4, 5)
    """Numbers of axes that it supports."""
    creates: ClassVar[bool] = True
    """Whether it creates arrays, and so writes."""
    partial_writes: ClassVar[bool] = True
    """Whether boxes that are not aligned with its write chunks can be written."""
    chunked: ClassVar[bool] = True
    """Whether it creates arrays with the requested chunks."""
    negative_start: ClassVar[bool] = True
    """Whether a domain can start anywhere, also below 0."""
    kinds: ClassVar[Sequence[VolumeKind]] = ("image", "labels", "probability")
    """Volume kinds that it stores; empty if it stores none."""
    fills: ClassVar[Sequence[int]] = (0, 7)
    """Fill values of unwritten voxels that it supports."""
    stored_fields: ClassVar[frozenset[str]] = frozenset({"voxel_size_nm", "offset_nm"})
    """Fields of a spec that the remote stores when it creates an array."""
    seeded_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields of a spec that `seed` stores, besides shape, dtype and start."""
    attributes: ClassVar[bool] = True
    """Whether it stores attributes."""
    provenance: ClassVar[bool] = True
    """Whether it keeps provenance with the arrays that it creates."""
    levels: ClassVar[bool] = False
    """Whether it creates pyramids."""
    deletes: ClassVar[bool] = True
    """Whether it deletes arrays."""

    @pytest.fixture
    def remote(self) -> VolumeRemote:
        """Remote under test."""
        raise InvalidInput(f"{type(self).__name__} must define the fixture `remote`")

    @pytest.fixture
    def new_uri(self) -> Callable[[], Uri]:
        """Return a function that returns a new URI, where nothing is stored, with every call."""
        raise InvalidInput(f"{type(self).__name__} must define the fixture `new_uri`")

    @abstractmethod
    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        """Store `array` with the fields of `spec`, not with the remote under test but with another library, if any."""

    @abstractmethod
    def inspect(self, uri: Uri) -> NDArray[Any]:
        """Return all voxels stored at `uri`, in the order of the remote's axes, also without the remote."""

    def spec(self, rank: int | None = None, dtype: str | None = None, **fields: Any) -> VolumeSpec:
        """Return a spec that the remote supports; override this if it needs certain chunks or axes."""
        ndim = rank or (3 if 3 in self.ranks else self.ranks[0])
        start = (-3, 4, -5, 2, -1)[:ndim] if self.negative_start else None
        chunk = _CHUNKS[ndim] if self.chunked else None
        return VolumeSpec.of(_SHAPES[ndim], dtype or self.dtypes[0], chunk=chunk, start=start, **fields)

    def parent_uri(self, uri: Uri) -> Uri | None:
        """Return a URI whose listing contains `uri`, or None."""
        return None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize tests with the arguments `dtype`, `rank`, `kind` or `fill`."""
        for name, values in [
            ("dtype", self.dtypes),
            ("rank", self.ranks),
            ("kind", self.kinds),
            ("fill", self.fills),
        ]:
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, values)

    def seed_and_open(self, remote: VolumeRemote, uri: Uri, spec: VolumeSpec) -> tuple[NDArray[Any], VolumeSource]:
        """Store random voxels with `seed`; return them and the source that the remote opens."""
        array = noise(spec.domain.shape, spec.dtype)
        self.seed(uri, array, spec)
        return array, remote.open(uri)

    def create_or_skip(self, remote: VolumeRemote, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        """Create an empty array with the remote; skip the test if it cannot."""
        if not self.creates:
            pytest.skip("the remote creates no arrays")
        return cast(SupportsCreate, remote).create(uri, spec)

    def boxes_to_write(self, spec: VolumeSpec) -> st.SearchStrategy[Box]:
        """Return a strategy of boxes that the remote can write."""
        if self.partial_writes or spec.write_chunk is None:
            return boxes(spec.domain)
        grid = BlockGrid(spec.domain, spec.write_chunk)
        return st.integers(0, len(grid) - 1).map(lambda i: grid[i].write)
