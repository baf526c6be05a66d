"""Skeletons that we write: read back by us and by cloud-volume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from remotes.precomputed.layers import BIG_IDS, write_volume

import voxome
from voxome.contracts.id_groups import group_of
from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import ShapesSpec, SupportsWriteSkeletons
from voxome.contracts.shapes import Skeleton
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, UnknownName
from voxome.geometry import Box
from voxome.remotes.precomputed.remote import PrecomputedRemote

IDS = [*BIG_IDS, 2**64 - 1, 12]


def skeletons() -> dict[int, Skeleton]:
    """Trees of several nodes; that of 12 is one node without edges."""
    found = {}
    for row, id in enumerate(IDS):
        count = 1 if id == 12 else 5 + row
        random = np.random.default_rng(row)
        parents = [int(random.integers(0, node)) for node in range(1, count)]
        found[id] = Skeleton(
            random.uniform(0, 5000, (count, 3)),
            np.array([(node + 1, parent) for node, parent in enumerate(parents)]),
            random.uniform(10, 90, count),
            {
                "swc_type": random.integers(0, 5, count).astype(np.uint8),
                "cross_section_nm2": random.uniform(100, 900, count),
                "direction": random.uniform(-1, 1, (count, 3)).astype(np.float32),
                "strahler": random.integers(1, 300, count),
            },
        )
    return found


def spec_of(groups: int = 4, **options: Any) -> ShapesSpec:
    return ShapesSpec(groups=groups, voxel_size_nm=(40, 16, 8), domain=Box.of_shape((9, 9, 9)), options=options)


def write(path: Path, shapes: Mapping[int, Skeleton], groups: int = 4, **options: Any) -> None:
    uri, spec, remote = Uri("precomputed", str(path)), spec_of(groups, **options), PrecomputedRemote()
    remote.check_skeletons(uri, spec)
    ids = sorted(shapes)
    group = group_of(np.array(ids, np.uint64), groups)
    for number in range(groups):
        mine = [(id, shapes[id]) for id, one in zip(ids, group, strict=True) if one == number]
        remote.open_skeleton_writer(uri, spec).write_group(number, iter(mine))
    made_by = Provenance.now("skeletons", "local", "common.skeletons", "1")
    for _ in range(2):
        remote.open_skeleton_writer(uri, spec).finish(made_by)


@pytest.mark.parametrize("sharded", [False, True])
def test_skeletons_are_read_back_with_their_attributes(tmp_path: Path, sharded: bool) -> None:
    assert isinstance(PrecomputedRemote(), SupportsWriteSkeletons)
    shapes = skeletons()
    write(tmp_path, shapes, sharded=sharded)
    found = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Skeletons)
    assert found.ids().tolist() == sorted(IDS)
    assert PrecomputedRemote().foreign_names(Uri("precomputed", str(tmp_path))) == []
    for id, skeleton in shapes.items():
        back = found[id]
        assert_array_equal(back.nodes_nm, skeleton.nodes_nm.astype(np.float32))
        assert_array_equal(back.edges, skeleton.edges)
        assert_array_equal(back.radii_nm, skeleton.radii_nm.astype(np.float32))
        assert set(back.attributes) == set(skeleton.attributes)
        for name, values in skeleton.attributes.items():
            assert_allclose(back.attributes[name], values, rtol=1e-6)
        assert back.attributes["swc_type"].dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_cloud_volume_reads_the_skeletons(tmp_path: Path, sharded: bool) -> None:
    import cloudvolume

    write_volume(tmp_path)
    shapes = skeletons()
    write(tmp_path / "skeletons", shapes, sharded=sharded)
    layer = cloudvolume.CloudVolume(f"file://{tmp_path}", progress=False)
    for id, skeleton in shapes.items():
        theirs = layer.skeleton.get(id).physical_space()
        assert_allclose(theirs.vertices, skeleton.nodes_nm[:, ::-1], rtol=1e-6)
        assert_array_equal(theirs.edges, skeleton.edges)
        assert_allclose(theirs.radii, skeleton.radii_nm, rtol=1e-6)
        assert_array_equal(theirs.vertex_types, skeleton.attributes["swc_type"])
        assert_allclose(theirs.cross_sectional_area, skeleton.attributes["cross_section_nm2"], rtol=1e-6)


def test_metadata_are_in_nm_and_linked(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write(tmp_path / "skeletons", skeletons())
    info = json.loads((tmp_path / "skeletons/info").read_text())
    assert info["transform"] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    assert info["vertex_attributes"] == [
        {"id": "radius", "data_type": "float32", "num_components": 1},
        {"id": "cross_sectional_area", "data_type": "float32", "num_components": 1},
        {"id": "direction", "data_type": "float32", "num_components": 3},
        {"id": "strahler", "data_type": "int32", "num_components": 1},
        {"id": "vertex_types", "data_type": "uint8", "num_components": 1},
    ]
    listed = json.loads((tmp_path / "skeletons/segment_properties/info").read_text())["inline"]["ids"]
    assert listed == [str(id) for id in sorted(IDS)]
    above = json.loads((tmp_path / "info").read_text())
    assert (above["skeletons"], above["segment_properties"]) == ("skeletons", "skeletons/segment_properties")
    assert "null" not in (tmp_path / "info").read_text() + (tmp_path / "skeletons/info").read_text()
    assert json.loads((tmp_path / "skeletons/provenance").read_text())["processing"][0]["by"] == "voxome"
    volume = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Volume)
    assert len(volume.skeletons().ids()) == len(IDS)


def node(**attributes: Any) -> Skeleton:
    return Skeleton(np.zeros((1, 3)), np.zeros((0, 2)), [5], attributes)


@pytest.mark.parametrize(
    ("skeleton", "message"),
    [
        (node(name=np.array(["soma"])), "the attribute name is .*; precomputed:// stores numbers of float32, int8"),
        (node(grid=np.zeros((1, 2, 2))), "one or several for each node"),
        (node(parent=np.array([2**31])), "values from 2147483648 to 2147483648; precomputed:// stores int32"),
        (node(radius=np.array([1.0])), "has the name of radii_nm"),
    ],
)
def test_attributes_that_the_format_cannot_store_are_refused(tmp_path: Path, skeleton: Skeleton, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        write(tmp_path, {5: skeleton})
    assert not list(tmp_path.glob("*.shard"))


def test_all_skeletons_have_the_same_attributes_in_all_groups(tmp_path: Path) -> None:
    uri, remote = Uri("precomputed", str(tmp_path / "skeletons")), PrecomputedRemote()
    remote.check_skeletons(uri, spec_of(sharded=False))
    writer = remote.open_skeleton_writer(uri, spec_of(sharded=False))
    writer.write_group(0, [(5, node(score=np.array([1.0])))])
    for other in (node(), node(score=np.array([1])), node(score=np.array([1.0]), more=np.array([1]))):
        with pytest.raises(InvalidInput, match=r"those before have .*; give all skeletons of .* the same attributes"):
            remote.open_skeleton_writer(uri, spec_of(sharded=False)).write_group(1, [(6, other)])


def test_a_folder_without_skeletons_is_valid_and_none_is_overwritten(tmp_path: Path) -> None:
    for name, shapes in (("a", {}), ("c", skeletons())):
        write(tmp_path / name, shapes)
        assert len(voxome.open(f"precomputed://{tmp_path}/{name}", expect=voxome.Skeletons).ids()) == len(shapes)
        with pytest.raises(AlreadyExists):
            write(tmp_path / name, {})
    with pytest.raises(UnknownName, match="Unknown option 'bits'"):
        write(tmp_path / "b", {}, bits=10)
