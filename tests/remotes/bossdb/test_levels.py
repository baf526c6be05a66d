"""Shapes, voxel sizes and offsets of every resolution."""

from __future__ import annotations

import math
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from remotes.bossdb.conftest import Peer

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, NotFound, ReadOnly
from voxome.geometry import Box
from voxome.remotes.bossdb import scales
from voxome.remotes.bossdb.records import CoordinateFrame, Experiment
from voxome.remotes.bossdb.remote import BossdbRemote

SPEC = VolumeSpec.of((9, 35, 50), "uint8", voxel_size_nm=(40, 4, 4))


def channel(peer: Peer, method: str, spec: VolumeSpec = SPEC, levels: int = 3) -> tuple[str, str, str]:
    names = (uuid4().hex, "exp", "em")
    peer.make(names, spec, levels=levels, method=method)
    return names


def uri(names: tuple[str, ...], *more: int) -> Uri:
    return Uri("bossdb", "/".join([*names, *map(str, more)]))


@pytest.mark.parametrize(
    ("method", "shapes", "factors"),
    [
        ("anisotropic", [(9, 35, 50), (9, 18, 25), (9, 9, 13)], [(1, 1, 1), (1, 2, 2), (1, 4, 4)]),
        ("isotropic", [(9, 35, 50), (5, 18, 25), (3, 9, 13)], [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
    ],
)
def test_levels_of_both_hierarchies(
    peer: Peer, method: str, shapes: list[tuple[int, ...]], factors: list[tuple[int, int, int]]
) -> None:
    source = BossdbRemote().open(uri(channel(peer, method)))
    assert [level.scale for level in source.levels] == factors
    for number, (shape, factor) in enumerate(zip(shapes, factors, strict=True)):
        spec = source.level(number).spec
        assert spec.domain == Box.of_shape(shape)
        assert spec.voxel_size_nm == pytest.approx(np.array((40, 4, 4)) * factor)
        assert spec.offset_nm == pytest.approx((np.array(factor) - 1) / 2 * (40, 4, 4))
        assert source.levels[number].offset_nm == pytest.approx(spec.offset_nm)
    with pytest.raises(NotFound, match="0 to 2"):
        source.level(3)


@pytest.mark.slow
def test_a_uri_names_a_resolution(peer: Peer) -> None:
    names = channel(peer, "anisotropic")
    data = np.random.default_rng(0).integers(1, 255, (9, 18, 25), np.uint8)
    peer.put(names, (0, 0, 0), data, resolution=1)
    remote = BossdbRemote()
    one = remote.open(uri(names, 1))
    assert_array_equal(one.read(one.spec.domain), data)
    assert ability(one, SupportsLevels) is None
    assert_array_equal(remote.open(uri(names)).level(1).read(one.spec.domain), data)
    assert ability(remote.open(uri(names, 0)), SupportsLevels) is not None
    with pytest.raises(NotFound, match="0 to 2"):
        remote.open(uri(names, 5))


def test_a_frame_that_does_not_start_at_0(peer: Peer) -> None:
    spec = SPEC.replace(domain=Box((3, 101, 7), (12, 135, 57)))
    source = BossdbRemote().open(uri(channel(peer, "isotropic", spec)))
    assert source.level(1).spec.domain == Box((1, 50, 3), (6, 68, 29))
    assert source.level(2).spec.domain == Box((0, 25, 1), (3, 34, 15))


def test_voxels_for_which_the_real_server_fails(peer: Peer) -> None:
    source = BossdbRemote().open(uri(channel(peer, "anisotropic", SPEC.replace(voxel_size_nm=(40, 4, 8)))))
    assert source.level(2).spec.domain.shape == (9, 9, 13)
    assert source.level(2).spec.voxel_size_nm == (40, 16, 32)


def test_a_level_is_added(peer: Peer) -> None:
    names = channel(peer, "anisotropic", levels=1)
    with pytest.raises(ReadOnly):
        BossdbRemote().open(uri(names)).create_level((1, 2, 2))
    source = BossdbRemote().open(uri(names), mode="r+")
    with pytest.raises(InvalidInput, match=r"\(1, 2, 2\)"):
        source.create_level((2, 2, 2))
    level = source.create_level((1, 2, 2))
    data = np.full(level.spec.domain.shape, 7, np.uint8)
    level.write(level.spec.domain, data)
    assert [one.scale for one in source.levels] == [(1, 1, 1), (1, 2, 2)]
    again = BossdbRemote().open(uri(names, 1))
    assert_array_equal(again.read(again.spec.domain), data)


frames = st.builds(
    lambda stop, size: CoordinateFrame("f", Box((0, 0, 0), stop), size),
    st.tuples(*[st.integers(1, 10**6)] * 3),
    st.tuples(*[st.floats(0.5, 1000)] * 3),
)


@given(frame=frames, method=st.sampled_from(["isotropic", "anisotropic"]), levels=st.integers(1, 8))
def test_scales_are_computed_by_the_rule_of_the_server(frame: CoordinateFrame, method: str, levels: int) -> None:
    experiment = Experiment("c", "e", "f", levels=levels, hierarchy_method=method)
    stop = frame.box.stop
    for resolution, scale in scales.all_scales(frame, experiment, 0, {}).items():
        assert scale.stop == stop
        assert scale.factor == ((2**resolution if method == "isotropic" else 1), 2**resolution, 2**resolution)
        z, y, x = (math.ceil(n / 2) for n in stop)
        stop = (z if method == "isotropic" else stop[0], y, x)
