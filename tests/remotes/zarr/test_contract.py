"""The contract of remotes, in every layout that voxome writes, with zarr-python as the other library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from remotes.zarr.stores import at, peer

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing import VolumeRemoteContract

DTYPES = (
    *("uint16", "bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)


class ZarrContract(VolumeRemoteContract):
    """The contract in one layout."""

    encoding: ClassVar[dict[str, Any] | None] = None
    format: ClassVar[int] = 3
    shards: ClassVar[int] = 1
    dtypes = ("uint16", "uint8", "bool", "uint64", "float32")
    seeded_fields = frozenset({"voxel_size_nm", "offset_nm", "kind"})

    @pytest.fixture
    def remote(self) -> ZarrRemote:
        return ZarrRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: at(tmp_path / "store" / uuid4().hex)

    def spec(self, rank: int | None = None, dtype: str | None = None, **others: Any) -> VolumeSpec:
        spec = super().spec(rank, dtype, encoding=self.encoding, **others)
        assert spec.write_chunk is not None
        return spec.replace(write_chunk=tuple(self.shards * n for n in spec.write_chunk))

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        own: dict[str, Any] = {"start": spec.domain.start, "kind": spec.kind}
        if spec.voxel_size_nm is not None:
            own |= {"voxel_size_nm": spec.voxel_size_nm, "offset_nm": spec.offset_nm}
        stored = zarr.create_array(
            uri.path,
            shape=array.shape,
            dtype=array.dtype,
            chunks=spec.read_chunk,
            shards=spec.write_chunk if self.shards > 1 else None,
            zarr_format=self.format,
            dimension_names=spec.axes if self.format == 3 else None,
            attributes={"voxome": own},
        )
        stored[...] = array

    def inspect(self, uri: Uri) -> NDArray[Any]:
        return np.asarray(peer(Path(uri.path))[...])

    def parent_uri(self, uri: Uri) -> Uri:
        return at(Path(uri.path).parent)


class TestOme(ZarrContract):
    dtypes = DTYPES
    levels = True


@pytest.mark.slow
class TestPlain(ZarrContract):
    encoding: ClassVar[dict[str, Any] | None] = {"ome": False}


class TestSharded(ZarrContract):
    encoding: ClassVar[dict[str, Any] | None] = {"ome": False, "codec": "raw"}
    shards = 2


class TestZarr2(ZarrContract):
    dtypes = DTYPES
    encoding: ClassVar[dict[str, Any] | None] = {"format": "zarr2", "ome": False}
    format = 2


@pytest.mark.slow
class TestOldOme(TestOme):
    dtypes = ("uint16",)
    ranks = (3, 5)
    encoding: ClassVar[dict[str, Any] | None] = {"format": "zarr2"}
    format = 2
