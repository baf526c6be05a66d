from __future__ import annotations

import numpy as np
import pytest

from voxome.contracts.abilities import SupportsIds
from voxome.contracts.service import Requirement
from voxome.errors import InvalidInput, UnknownName, UnsupportedFormat
from voxome.resources.volume_like import as_volume
from voxome.services.choice import choose

INDEX = Requirement(SupportsIds, "this store keeps no index")


@pytest.fixture
def volume():
    return as_volume(np.ones((2, 2, 2), np.uint32))


def test_a_store_that_cannot_leaves_it_to_a_tool(volume):
    assert choose(None, volume, "boxes", INDEX) == "local"
    assert choose("local", volume, "boxes", INDEX) == "local"


def test_a_store_that_can_comes_first(volume):
    class Indexed:
        spec = volume.spec

        def ids(self, box): ...

        def bounding_box(self, label, *, exact=True): ...

        def reserve_ids(self, count): ...

    volume.source = Indexed()
    assert choose(None, volume, "boxes", INDEX) == "own"
    assert choose("own", volume, "boxes", INDEX) == "own"


def test_what_the_store_lacks_is_named(volume):
    with pytest.raises(UnsupportedFormat, match="keeps no index"):
        choose("own", volume, "boxes", INDEX)
    with pytest.raises(UnsupportedFormat, match="no store performs 'boxes'"):
        choose("own", volume, "boxes", None)


def test_another_service_is_chosen_by_name(volume):
    assert choose("transfer", volume, "boxes", INDEX) == "transfer"


def test_an_unknown_service_is_refused(volume):
    with pytest.raises(UnknownName, match="transfer"):
        choose("transfr", volume, "boxes", INDEX)
    with pytest.raises(UnknownName):
        choose("mesh", volume, "mesh", INDEX)
    with pytest.raises(InvalidInput, match="service is 3"):
        choose(3, volume, "boxes", INDEX)
