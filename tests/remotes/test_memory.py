"""Arrays of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.remotes import memory
from voxome.testing import VolumeRemoteContract


class TestMemory(VolumeRemoteContract):
    @pytest.fixture
    def remote(self, monkeypatch: pytest.MonkeyPatch) -> memory.MemoryRemote:
        monkeypatch.setattr(memory, "_ARRAYS", {})
        return memory.MemoryRemote()

    @pytest.fixture
    def new_uri(self) -> Callable[[], Uri]:
        return lambda: Uri("memory", uuid4().hex)

    seeded_fields = frozenset({"voxel_size_nm", "offset_nm"})

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        memory._ARRAYS[uri.path] = (spec, array.copy())

    def inspect(self, uri: Uri) -> NDArray[Any]:
        return memory._ARRAYS[uri.path][1]

    def parent_uri(self, uri: Uri) -> Uri:
        return Uri("memory", "")
