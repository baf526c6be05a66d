"""Arrays of a box that are read as volumes of the whole domain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import voxome
from voxome import Box, VolumeSpec
from voxome.errors import InvalidBox
from voxome.resources.extended import Extended
from voxome.testing.strategies import boxes

DOMAIN, BOX = Box((-2, 0, 3), (8, 9, 12)), Box((1, 2, 5), (4, 9, 8))


@pytest.fixture(scope="module")
def source() -> Extended:
    """Return two channels of a box, which are 7 where nothing was written, as a volume of the domain."""
    spec = VolumeSpec.of((2, *BOX.shape), "uint8", start=(0, *BOX.start), axes=("c", "z", "y", "x"), fill=7)
    volume = voxome.create("memory://part", spec)
    volume[...] = np.random.default_rng(0).integers(10, 255, volume.shape)
    return Extended(volume.source, DOMAIN)


@given(box=boxes(DOMAIN))
def test_voxels_outside_the_box_are_the_fill_value(source: Extended, box: Box) -> None:
    whole = np.full((2, *DOMAIN.shape), 7, np.uint8)
    whole[(slice(None), *BOX.within(DOMAIN))] = source.source.read(source.source.spec.domain)
    assert np.array_equal(source.read(source.spec.lift(box)), whole[(slice(None), *box.within(DOMAIN))])


def test_voxels_outside_the_domain_cannot_be_read(source: Extended) -> None:
    with pytest.raises(InvalidBox, match="is not inside"):
        source.read(Box((0, 0, 0, 0), (2, 1, 1, 4)))
