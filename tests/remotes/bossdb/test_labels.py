"""Labels of annotation channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from remotes.bossdb.conftest import Peer

from voxome.contracts.abilities import SupportsIds, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidBox, InvalidInput, NotFound
from voxome.geometry import Box
from voxome.remotes.bossdb.remote import BossdbRemote
from voxome.remotes.bossdb.source import BossdbSource
from voxome.testing.strategies import boxes

SPEC = VolumeSpec.of((20, 40, 600), "uint64", kind="labels", start=(2, 0, 5))


@pytest.fixture(scope="module")
def data(peer: Peer) -> NDArray[np.uint64]:
    peer.make(("labels", "exp", "em"), SPEC.replace(kind="image"))
    peer.make(("labels", "exp", "seg"), SPEC, sources=["em"])
    voxels = np.random.default_rng(0).integers(0, 5, SPEC.domain.shape, dtype=np.uint64) * np.uint64(2**61)
    voxels[3:7, 10:20, 100:400] = 9
    peer.put(("labels", "exp", "seg"), SPEC.domain.start, voxels)
    return voxels


@pytest.fixture
def source(data: NDArray[np.uint64]) -> BossdbSource:
    return BossdbRemote().open(Uri("bossdb", "labels/exp/seg"), mode="r+")


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(box=boxes(SPEC.domain))
def test_ids_are_those_in_the_box(source: BossdbSource, data: NDArray[np.uint64], box: Box) -> None:
    expected = np.unique(data[box.within(SPEC.domain)])
    found = source.ids(box)
    assert found.dtype == np.uint64
    assert_array_equal(found, expected[expected > 0])


def test_ids_outside_are_refused(source: BossdbSource) -> None:
    with pytest.raises(InvalidBox):
        source.ids(SPEC.domain.shift((0, 1, 0)))


def test_bounding_boxes_are_tight_or_of_cuboids(source: BossdbSource) -> None:
    exact = Box((5, 10, 105), (9, 20, 405))
    assert source.bounding_box(9) == exact
    loose = source.bounding_box(9, exact=False)
    assert exact in loose
    assert loose in SPEC.domain
    with pytest.raises(NotFound, match=r"^bossdb://\S+ has no label 77; its `ids\(\)` are the labels that it has$"):
        source.bounding_box(77)


def test_ids_are_reserved_once(source: BossdbSource) -> None:
    first, second = source.reserve_ids(10), source.reserve_ids(5)
    assert (len(first), len(second)) == (10, 5)
    assert not set(first) & set(second)
    with pytest.raises(InvalidInput):
        source.reserve_ids(0)


def test_images_have_no_ids(data: NDArray[np.uint64], source: BossdbSource) -> None:
    assert ability(source, SupportsIds) is source
    image = BossdbRemote().open(Uri("bossdb", "labels/exp/em"))
    assert ability(image, SupportsIds) is None
