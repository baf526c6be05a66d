"""Every precomputed file of the shared fixtures: read as its README describes, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.uri import Uri
from voxome.errors import NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.precomputed.remote import PrecomputedRemote


@pytest.mark.parametrize(("name", "lead"), [("one_channel", ()), ("two_channels", (2,))])
def test_levels_without_voxels_read_as_fill(shared: Path, name: str, lead: tuple[int, ...]) -> None:
    path = shared / "formats/neuroglancer/precomputed_info_only" / name
    assert PrecomputedRemote().recognises(path)
    pyramid = ability(PrecomputedRemote().open(Uri("precomputed", str(path))), SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 2, 2), (4, 4, 4)]
    shapes = [(30, 20, 10), (15, 10, 5), (8, 5, 3)]
    for number, (shape, level) in enumerate(zip(shapes, pyramid.levels, strict=True)):
        part = pyramid.level(number)
        f = 2**number
        assert part.spec.domain == Box.of_shape(lead + shape)
        assert part.spec.axes == ("c", "z", "y", "x")[-len(lead + shape) :]
        assert part.spec.dtype == np.uint16
        assert part.spec.kind == "image"
        assert part.spec.voxel_size_nm == (5 * f, 4 * f, 3 * f)
        assert level.offset_nm == part.spec.offset_nm == (2.5 * (f - 1), 2.0 * (f - 1), 1.5 * (f - 1))
        assert not part.read(part.spec.domain).any()


def test_segmentation_without_voxels(shared: Path) -> None:
    path = shared / "formats/precomputed_cloudvolume/test_cv"
    source = PrecomputedRemote().open(Uri("precomputed", str(path)))
    assert source.spec.kind == "labels"
    assert source.spec.dtype == np.uint32
    assert source.spec.domain.shape == (512, 2048, 2048)
    assert source.spec.attributes["mesh"] == "mesh_info"
    assert not source.read(Box((3, 100, 7), (80, 200, 90))).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_cv_sharded", "compresso"),
        ("test_seg_unsharded", "compresso"),
    ],
)
def test_unsupported_encodings_are_named(shared: Path, name: str, message: str) -> None:
    path = shared / "formats/precomputed_cloudvolume" / name
    with pytest.raises(UnsupportedFormat, match=message):
        PrecomputedRemote().open(Uri("precomputed", str(path)))


def test_meshes_without_metadata_are_recognised_by_their_volume_only(shared: Path) -> None:
    path = shared / "formats/precomputed_cloudvolume/test_cv/mesh_mip_2_err_40_sv16"
    assert not PrecomputedRemote().recognises(path)
    with pytest.raises(NotFound, match="info"):
        PrecomputedRemote().open(Uri("precomputed", str(path)))
