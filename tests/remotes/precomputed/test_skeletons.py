"""Skeletons of precomputed layers, in files and in shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from remotes.precomputed.layers import BIG_IDS, IDENTITY, SHARDING, skeleton, write_info, write_shards, write_volume

import voxome
from voxome.contracts.abilities import ability
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.errors import CorruptData, NotFound, UnsupportedFormat

XYZ = np.array([[0, 0, 0], [10, 0, 0], [10, 20, 0], [10, 0, 30]], float)
EDGES = np.array([[0, 1], [1, 2], [1, 3]])
RADII = np.array([1, 2, 3, 4], "<f4")
TYPES = np.array([1, 0, 3, 3], "u1")
ATTRIBUTES = [
    {"id": "radius", "data_type": "float32", "num_components": 1},
    {"id": "vertex_types", "data_type": "uint8", "num_components": 1},
    {"id": "direction", "data_type": "int16", "num_components": 2},
]
DIRECTIONS = np.arange(8, dtype="<i2").reshape(4, 2)
DATA = skeleton(XYZ, EDGES, RADII, TYPES, DIRECTIONS)


def write(folder: Path, sharded: bool, transform: list[float]) -> None:
    info = {"@type": "neuroglancer_skeletons", "transform": transform, "vertex_attributes": ATTRIBUTES}
    write_info(folder, {**info, "sharding": SHARDING} if sharded else info)
    if sharded:
        write_shards(folder, SHARDING, dict.fromkeys(BIG_IDS, DATA))
    for id in () if sharded else BIG_IDS:
        (folder / str(id)).write_bytes(DATA)


@pytest.mark.parametrize("sharded", [False, True])
def test_skeletons_are_read_with_transform_radii_and_attributes(tmp_path: Path, sharded: bool) -> None:
    write(tmp_path, sharded, [2, 0, 0, 7, 0, 2, 0, 0, 0, 0, 2, -5])
    skeletons = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Skeletons)
    assert skeletons.ids().tolist() == list(BIG_IDS)
    found = skeletons[BIG_IDS[-1]]
    assert_array_equal(found.nodes_nm, (XYZ * 2 + [7, 0, -5])[:, ::-1])
    assert_array_equal(found.edges, EDGES)
    assert found.radii_nm.tolist() == pytest.approx([2, 4, 6, 8])
    assert sorted(found.attributes) == ["direction", "swc_type"]
    assert found.attributes["swc_type"].tolist() == TYPES.tolist()
    assert found.attributes["direction"].tolist() == DIRECTIONS.tolist()
    assert found.length_nm == pytest.approx(120)
    with pytest.raises(NotFound, match="no skeleton of segment 6"):
        skeletons.skeleton(6)


@pytest.mark.parametrize("data_type", ["O", "|V8", "9" * 5000, "datetime64[s]"])
def test_types_of_attributes_that_are_no_numbers_are_refused(tmp_path: Path, data_type: str) -> None:
    attributes = [{"id": "radius", "data_type": data_type, "num_components": 1}]
    write_info(tmp_path, {"@type": "neuroglancer_skeletons", "vertex_attributes": attributes})
    with pytest.raises(UnsupportedFormat, match=r"the attribute 'radius' has the data_type .*; expected bool, uint8"):
        voxome.open(f"precomputed://{tmp_path}")


@pytest.mark.parametrize("number", [0, -1, 2**63, 1.5, "x"])
def test_attributes_have_a_number_of_values(tmp_path: Path, number: object) -> None:
    attributes = [{"id": "radius", "data_type": "float32", "num_components": number}]
    write_info(tmp_path, {"@type": "neuroglancer_skeletons", "vertex_attributes": attributes})
    with pytest.raises(
        UnsupportedFormat, match=r"the attribute 'radius' has num_components .*; expected a whole number"
    ):
        voxome.open(f"precomputed://{tmp_path}")


def test_radii_are_unknown_where_the_layer_has_none(tmp_path: Path) -> None:
    write_info(tmp_path, {"@type": "neuroglancer_skeletons"})
    (tmp_path / "5").write_bytes(skeleton(XYZ, EDGES))
    found = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Skeletons)[5]
    assert np.isnan(found.radii_nm).all()
    assert_array_equal(found.nodes_nm, XYZ[:, ::-1])


@pytest.mark.parametrize(
    "data", [b"", DATA[:7], DATA[:-1], DATA + b"\0", skeleton(XYZ, EDGES + 3, RADII, TYPES, DIRECTIONS)]
)
def test_broken_skeletons_are_corrupt(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, False, IDENTITY)
    (tmp_path / "5").write_bytes(data)
    with pytest.raises(CorruptData, match="cannot decode the skeleton of segment 5"):
        voxome.open(f"precomputed://{tmp_path}", expect=voxome.Skeletons)[5]


def test_a_segmentation_leads_to_its_skeletons(tmp_path: Path) -> None:
    write_volume(tmp_path, skeletons="skeletons_mip_1")
    write_info(tmp_path / "skeletons_mip_1", {"vertex_attributes": ATTRIBUTES})
    (tmp_path / "skeletons_mip_1" / "5").write_bytes(DATA)
    volume = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Volume)
    source = ability(volume.source, SkeletonSource)
    assert source is not None
    assert len(source.skeleton(5).nodes_nm) == 4
    assert ability(volume.source, MeshSource) is None
    linked = voxome.open(f"precomputed://{tmp_path}/skeletons_mip_1", expect=voxome.Skeletons)
    assert linked.ids().tolist() == [5]
