"""Names and rights of sources, and voxels read through them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.shapes import Mesh
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.errors import AlreadyExists, CorruptData, InvalidBox, InvalidInput, NotFound, ReadOnly, StoreError
from voxome.geometry import Box
from voxome.relay.rights import Rights
from voxome.relay.source_errors import SourceUnavailable
from voxome.relay.sources import Sources
from voxome.resources.create import create_source
from voxome.testing.strategies import noise

SHAPE = (5, 6, 7)
BOX = Box((0, 1, 2), (5, 5, 5))


class Computed:
    """A source that is computed when it is read."""

    spec = voxome.VolumeSpec.of(SHAPE, "uint16")

    def read(self, box: Box) -> np.ndarray:
        return np.arange(np.prod(SHAPE), dtype="uint16").reshape(SHAPE)[box.within(self.spec.domain)]


@pytest.fixture
def uri() -> str:
    """A volume of noise."""
    uri = f"memory://{uuid4().hex}"
    voxome.create(uri, voxome.VolumeSpec.of(SHAPE, "uint8"))[:] = noise(SHAPE, "uint8")
    return uri


def test_a_uri_is_read_by_name(uri: str) -> None:
    sources = Sources()
    sources.add("lab/em", uri)
    assert sources.spec("lab/em").dtype == np.uint8
    assert_array_equal(sources.read("lab/em", BOX), noise(SHAPE, "uint8")[BOX.within(Box.of_shape(SHAPE))])
    with pytest.raises(InvalidBox, match="lab/em"):
        sources.read("lab/em", Box((0, 0, 0), (6, 1, 1)))
    with pytest.raises(InvalidBox):
        sources.read("lab/em", Box((0,), (1,)))


def test_an_object_with_spec_and_read_is_served() -> None:
    sources = Sources()
    sources.add("computed", Computed())
    assert sources.level_count("computed") == 1
    assert sources.read("computed", Box((0, 0, 1), (1, 1, 3))).ravel().tolist() == [1, 2]
    with pytest.raises(NotFound, match="level 1"):
        sources.read("computed", BOX, level=1)
    with pytest.raises(InvalidInput, match="writers"):
        sources.add("other", Computed(), Rights(writers=frozenset({"lab"})))


def test_levels_of_a_pyramid_are_read(tmp_path: Path) -> None:
    uri, spec = f"zarr://{tmp_path}/a.zarr", voxome.VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(4, 4, 4))
    pyramid = ability(create_source(uri, spec), SupportsLevels)
    assert pyramid is not None
    coarse = Box.of_shape((4, 4, 4))
    pyramid.create_level((2, 2, 2)).write(coarse, np.full((4, 4, 4), 7, "uint8"))
    sources = Sources()
    sources.add("a", uri)
    assert sources.level_count("a") == 2
    assert sources.spec("a", level=1).domain == coarse
    assert (sources.read("a", coarse, level=1) == 7).all()
    assert not sources.read("a", Box.of_shape((8, 8, 8))).any()


def test_writes_of_some_voxels_keep_the_others(uri: str) -> None:
    sources = Sources()
    sources.add("em", uri, Rights(writers=frozenset({"lab"})))
    whole, before = Box.of_shape(SHAPE), noise(SHAPE, "uint8")
    parts = [np.arange(whole.size).reshape(SHAPE) % 6 == n for n in range(5)]
    values = np.full(SHAPE, 7, "uint8")
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda where: sources.write("em", whole, values, where=where), parts))
    assert_array_equal(sources.read("em", whole), np.where(np.any(parts, axis=0), 7, before))


def test_a_writable_source_is_written(uri: str) -> None:
    sources = Sources()
    sources.add("shared", uri, Rights(writers=frozenset({"admin"})))
    sources.add("open", uri)
    sources.write("shared", BOX, np.full(BOX.shape, 9, "uint8"))
    assert (sources.read("open", BOX) == 9).all()
    for wrong in (np.zeros(BOX.shape, "float32"), np.zeros((1, 1, 1), "uint8")):
        with pytest.raises(InvalidInput, match="send uint8 voxels"):
            sources.write("shared", BOX, wrong)
    with pytest.raises(ReadOnly):
        sources.write("open", BOX, np.full(BOX.shape, 1, "uint8"))


def test_a_source_that_cannot_be_opened_is_named_without_its_address() -> None:
    sources = Sources()
    sources.add("missing", "memory://secret")
    with pytest.raises(SourceUnavailable, match="missing") as raised:
        sources.spec("missing")
    assert "secret" not in str(raised.value)
    assert "secret" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(InvalidBox, InvalidInput), (StoreError, SourceUnavailable), (NotFound, SourceUnavailable),
     (CorruptData, SourceUnavailable), (OSError, SourceUnavailable)],
)  # fmt: skip
def test_errors_of_the_store_are_not_blamed_on_the_caller(error: type[Exception], expected: type[Exception]) -> None:
    class Failing(Computed):
        def read(self, box: Box) -> np.ndarray:
            raise error("/secret/path")

    sources = Sources()
    sources.add("failing", Failing())
    with pytest.raises(expected, match="failing") as raised:
        sources.read("failing", BOX)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".hidden", "a b", "a?b", "ü"])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="invalid source name"):
        Sources().add(name, Computed())


def test_names_are_unique_and_listed_in_order() -> None:
    sources = Sources()
    for name in ("b", "a/c"):
        sources.add(name, Computed())
    assert list(sources) == ["a/c", "b"]
    assert "b" in sources
    with pytest.raises(AlreadyExists):
        sources.add("b", Computed())
    with pytest.raises(NotFound, match="no source c"):
        sources.spec("c")


def test_abilities_are_used_and_their_errors_are_those_of_the_store() -> None:
    class Meshes:
        spec = voxome.VolumeSpec.of((1, 1, 1), "uint64")

        def read(self, box: Box) -> NDArray[Any]:
            raise NotImplementedError

        def ids(self) -> NDArray[np.uint64]:
            return np.array([7], np.uint64)

        def mesh(self, id: int, lod: int = 0) -> Mesh:
            raise {0: NotFound, 1: StoreError}[id]("/secret")

    sources = Sources()
    sources.add("seg", Meshes())
    assert sources.use("seg", MeshSource, lambda source: int(source.ids()[0])) == 7
    assert sources.use("seg", SkeletonSource, lambda source: 1) is None
    for id, error in ((0, NotFound), (1, SourceUnavailable)):
        with pytest.raises(error) as raised:
            sources.use("seg", MeshSource, lambda source, id=id: source.mesh(id))
        assert "secret" not in str(raised.value)
