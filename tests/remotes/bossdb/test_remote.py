"""The contract of a remote, over a socket, and the abilities of BossDB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from numpy.typing import NDArray
from remotes.bossdb.conftest import Peer

from voxome.contracts.source import Remote, VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.remotes.bossdb.remote import BossdbRemote
from voxome.testing import VolumeRemoteContract

pytestmark = pytest.mark.slow

SIZE = (40.0, 4.0, 8.0)


def names_of(uri: Uri) -> tuple[str, str, str]:
    collection, experiment, channel = uri.path.split("/")
    return collection, experiment, channel


def some_names() -> tuple[str, str, str]:
    return uuid4().hex, "exp", "em"


def uri_of(names: tuple[str, ...]) -> Uri:
    return Uri("bossdb", "/".join(names))


class TestBossdb(VolumeRemoteContract):
    dtypes = ("uint8", "uint16", "uint32", "uint64")
    ranks = (3, 4)
    chunked = False
    negative_start = False
    kinds = ("image", "labels", "probability")
    fills = (0,)
    stored_fields = frozenset({"voxel_size_nm", "offset_nm"})
    seeded_fields = frozenset({"voxel_size_nm"})

    @pytest.fixture
    def remote(self) -> BossdbRemote:
        return BossdbRemote()

    @pytest.fixture
    def new_uri(self) -> Callable[[], Uri]:
        return lambda: uri_of(some_names())

    @pytest.fixture(autouse=True)
    def _peer(self, peer: Peer) -> None:
        self.peer = peer

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        axes = tuple("tzyx") if rank == 4 else tuple("zyx")
        spec = super().spec(rank, dtype, **{"voxel_size_nm": SIZE, "axes": axes, **others})
        start = (5, 4, 3)
        return spec.replace(domain=spec.domain.shift((0,) * (spec.domain.ndim - 3) + start))

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        self.peer.make(names_of(uri), spec)
        self.peer.put(names_of(uri), spec.domain.start, array)

    def inspect(self, uri: Uri) -> NDArray[Any]:
        spec = BossdbRemote().open(uri).spec
        return self.peer.get(names_of(uri), spec.domain.start, spec.domain.shape, spec.dtype)

    def parent_uri(self, uri: Uri) -> Uri:
        return uri_of(names_of(uri)[:2])

    def create_or_skip(self, remote: Remote, uri: Uri, spec: VolumeSpec) -> VolumeSource:
        if spec.kind == "labels":
            collection, experiment, _ = names_of(uri)
            self.peer.make((collection, experiment, "source"), replace(spec, kind="image"))
        return super().create_or_skip(remote, uri, spec)
