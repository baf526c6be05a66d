"""Meshes of precomputed layers: legacy and multi-resolution, in files and in shards."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from remotes.precomputed.layers import (
    BIG_IDS,
    IDENTITY,
    SHARDING,
    draco,
    legacy_fragment,
    manifest,
    shard_with_gaps,
    write_info,
    write_volume,
)

import voxome
from voxome.contracts.abilities import ability
from voxome.contracts.source import MeshSource, SkeletonSource
from voxome.errors import CorruptData, InvalidInput, NotFound, UnsupportedFormat
from voxome.remotes.precomputed.keyed import KeyedValues
from voxome.storage.local import LocalPath

XYZ = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30]], float)
FACES = np.array([[0, 1, 2], [0, 1, 3]])
BITS = 10
STEPS = 2**BITS - 1


def write_legacy(folder: Path, id: int, *, info: bool = True, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if info:
        write_info(folder, {"@type": "neuroglancer_legacy_mesh"})
    (folder / f"{id}:0").write_text(json.dumps({"fragments": [f"{id}:0:a", f"{id}:0:b"]}))
    for name, shift in (("a", 0), ("b", 100)):
        data = legacy_fragment(XYZ + shift, FACES)
        (folder / f"{id}:0:{name}{suffix}").write_bytes(gzip.compress(data) if suffix else data)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_legacy_meshes_are_read_with_all_their_fragments(tmp_path: Path, suffix: str) -> None:
    for id in BIG_IDS:
        write_legacy(tmp_path / "mesh", id, suffix=suffix)
    meshes = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)
    assert meshes.ids().tolist() == list(BIG_IDS)
    mesh = meshes[BIG_IDS[-1]]
    assert_array_equal(mesh.vertices_nm, np.concatenate([XYZ, XYZ + 100])[:, ::-1])
    assert_array_equal(mesh.faces, np.concatenate([FACES, FACES + 4])[:, ::-1])
    assert repr(meshes) == f"<Meshes precomputed://{tmp_path}/mesh>"


def test_a_missing_mesh_or_level_of_detail_is_not_found(tmp_path: Path) -> None:
    write_legacy(tmp_path / "mesh", 5)
    meshes = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)
    with pytest.raises(NotFound, match="has no mesh of segment 6"):
        meshes[6]
    with pytest.raises(NotFound, match="one level of detail, 0, not 1"):
        meshes.mesh(5, lod=1)
    for wrong in (-1, 2**64, 1.5, "5"):
        with pytest.raises(InvalidInput, match="not an id"):
            meshes.mesh(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("5:0", b"\x04\0\0\0", "cannot decode the manifest"),
        ("5:0", b'{"fragment": []}', "cannot decode the manifest"),
        ("5:0", b'{"fragments": ["../secret"]}', "a path inside this folder was expected"),
        ("5:0", b'{"fragments": ["/etc/passwd"]}', "a path inside this folder was expected"),
        ("5:0", b'{"fragments": ["https://host/a"]}', "a path inside this folder was expected"),
        ("5:0", b'{"fragments": ["none"]}', "lacks 1 of 1 fragments, as none"),
        ("5:0:a", b"\x09\0\0\0short", "cannot decode fragment 5:0:a"),
        ("5:0:a", b"DRACO and then something else", "cannot decode fragment 5:0:a"),
    ],
)
def test_broken_legacy_meshes_are_corrupt(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_legacy(tmp_path / "mesh", 5)
    (tmp_path / "mesh" / name).write_bytes(content)
    with pytest.raises(CorruptData, match=message):
        voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)[5]


def test_a_segmentation_leads_to_its_meshes(tmp_path: Path) -> None:
    write_volume(tmp_path / "seg", mesh="mesh")
    write_legacy(tmp_path / "seg" / "mesh", 5, info=False)
    volume = voxome.open(f"precomputed://{tmp_path}/seg", expect=voxome.Volume)
    source = ability(volume.source, MeshSource)
    assert source is not None
    assert_array_equal(source.mesh(5).faces[:2], FACES[:, ::-1])
    assert ability(volume.source, SkeletonSource) is None
    assert voxome.open(f"precomputed://{tmp_path}/seg/mesh", expect=voxome.Meshes).ids().tolist() == [5]


@pytest.mark.parametrize("link", ["../mesh", "/mesh", "http://host/mesh", "a/../../mesh"])
def test_links_out_of_the_layer_are_refused(tmp_path: Path, link: str) -> None:
    write_volume(tmp_path / "seg", mesh=link)
    write_legacy(tmp_path / "mesh", 5)
    volume = voxome.open(f"precomputed://{tmp_path}/seg", expect=voxome.Volume)
    with pytest.raises(CorruptData, match="a path inside this folder was expected"):
        ability(volume.source, MeshSource)


def test_meshes_are_no_substitute_for_a_volume(tmp_path: Path) -> None:
    write_legacy(tmp_path / "mesh", 5)
    uri = f"precomputed://{tmp_path}/mesh"
    message = "holds meshes; a volume was expected: give the address of a volume"
    with pytest.raises(InvalidInput, match=message):
        voxome.transfer(uri, "memory://copy")
    with pytest.raises(InvalidInput, match=message):
        voxome.open(uri, level=1)
    with pytest.raises(InvalidInput, match="skeletons were expected"):
        voxome.open(uri, expect=voxome.Skeletons)


def multiresolution() -> tuple[bytes, bytes, list[np.ndarray]]:
    """Fragments, manifest and expected vertices (x, y, z, in stored units) of two levels of detail."""
    shape, origin, offset = np.array([100, 200, 400.0]), np.array([1000, 2000, 3000.0]), [(0, 0, 0), (1, 2, 3)]
    corners = np.array([[0, 0, 0], [STEPS, 0, 0], [0, STEPS, 0], [0, 0, STEPS]])
    pieces = [draco(corners, FACES), draco(corners // 3, FACES), draco(corners, FACES)]
    levels = [[((0, 0, 0), len(pieces[0])), ((1, 0, 2), len(pieces[1])), ((1, 1, 2), 0)], [((0, 0, 1), len(pieces[2]))]]
    fine = [origin + shape * corners / STEPS, origin + shape * (np.array([1, 0, 2]) + corners // 3 / STEPS)]
    coarse = origin + offset[1] + 2 * shape * (np.array([0, 0, 1]) + corners / STEPS)
    return b"".join(pieces), manifest(shape, origin, offset, levels), [np.concatenate(fine), coarse]


def write_multiresolution(folder: Path, sharded: bool, transform: list[float]) -> list[np.ndarray]:
    fragments, index, expected = multiresolution()
    sharding = {**SHARDING, "hash": "identity", "preshift_bits": 0, "minishard_bits": 0, "shard_bits": 0}
    info: dict[str, Any] = {
        "@type": "neuroglancer_multilod_draco",
        "vertex_quantization_bits": BITS,
        "transform": transform,
        "lod_scale_multiplier": 1,
        **({"sharding": sharding} if sharded else {"sharding": None}),
    }
    write_info(folder, info)
    if sharded:
        (folder / "0.shard").write_bytes(shard_with_gaps(dict.fromkeys(BIG_IDS, (fragments, index))))
    for id in () if sharded else BIG_IDS:
        (folder / str(id)).write_bytes(fragments)
        (folder / f"{id}.index").write_bytes(index)
    return expected


@pytest.mark.parametrize("sharded", [False, True])
def test_multiresolution_meshes_follow_the_formula_of_the_format(tmp_path: Path, sharded: bool) -> None:
    expected = write_multiresolution(tmp_path, sharded, [2, 0, 0, 7, 0, 3, 0, 0, 0, 0, 4, -5])
    meshes = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Meshes)
    assert meshes.ids().tolist() == list(BIG_IDS)
    for id in BIG_IDS:
        for lod, xyz in enumerate(expected):
            assert_allclose(meshes.mesh(id, lod).vertices_nm, (xyz * [2, 3, 4] + [7, 0, -5])[:, ::-1], rtol=1e-6)
    assert_array_equal(meshes[5].faces, np.concatenate([FACES, FACES + 4])[:, ::-1])
    with pytest.raises(NotFound, match="segment 5 has levels of detail 0 to 1, not 2"):
        meshes.mesh(5, 2)
    with pytest.raises(NotFound, match="no mesh of segment 6"):
        meshes.mesh(6)


@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        ("5", slice(0, 30), "fragments of segment 5 are missing or cut short"),
        ("5", slice(3, None), "fragments of segment 5 are missing or cut short|cannot decode a fragment"),
        ("5.index", slice(0, 50), "cannot decode the manifest"),
        ("5.index", slice(0, 10), "cannot decode the manifest"),
    ],
)
def test_broken_multiresolution_meshes_are_corrupt(tmp_path: Path, name: str, cut: slice, message: str) -> None:
    write_multiresolution(tmp_path, False, IDENTITY)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[cut])
    with pytest.raises(CorruptData, match=message):
        voxome.open(f"precomputed://{tmp_path}", expect=voxome.Meshes).mesh(5)


def test_metadata_that_do_not_follow_the_format_are_refused(tmp_path: Path) -> None:
    write_info(tmp_path, {"@type": "neuroglancer_multilod_draco", "transform": [1, 2]})
    with pytest.raises(UnsupportedFormat, match="transform should have 12 numbers"):
        voxome.open(f"precomputed://{tmp_path}")
    write_info(tmp_path, {"@type": "neuroglancer_multilod_draco"})
    with pytest.raises(UnsupportedFormat, match="vertex_quantization_bits"):
        voxome.open(f"precomputed://{tmp_path}")
    write_info(tmp_path, {"@type": "neuroglancer_segment_properties"})
    with pytest.raises(UnsupportedFormat, match="contains segment properties, which viewers read"):
        voxome.open(f"precomputed://{tmp_path}")


def test_a_transform_that_mirrors_keeps_the_outside(tmp_path: Path) -> None:
    write_multiresolution(tmp_path, False, [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0])
    meshes = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Meshes)
    assert_array_equal(meshes[5].faces, np.concatenate([FACES, FACES + 4]))


def test_meshes_are_read_over_http_but_not_listed(serve: Any, tmp_path: Path) -> None:
    write_legacy(tmp_path / "mesh", 5, suffix=".gz")
    write_multiresolution(tmp_path / "multi", True, IDENTITY)
    server = serve(tmp_path)
    meshes = voxome.open(f"precomputed://{server}/mesh", expect=voxome.Meshes)
    assert len(meshes[5].faces) == 4
    with pytest.raises(UnsupportedFormat, match="cannot be listed"):
        meshes.ids()


@pytest.mark.parametrize("name", ["mesh_mip_2_draco_sv16", "mesh_mip_2_err_40_sv16"])
def test_fragments_of_graphene_layers(shared: Path, tmp_path: Path, name: str) -> None:
    write_volume(tmp_path / "seg", mesh=name)
    (tmp_path / "seg" / name).symlink_to(shared / "formats/precomputed_cloudvolume/test_cv" / name)
    mesh = voxome.open(f"precomputed://{tmp_path}/seg/{name}", expect=voxome.Meshes)[648518346349515986]
    assert len(mesh.faces) == {"mesh_mip_2_draco_sv16": 10370, "mesh_mip_2_err_40_sv16": 21696}[name]
    assert (mesh.vertices_nm.max(axis=0) <= [40960, 353894, 454656]).all()


@pytest.mark.parametrize("bits", [10**11, 0, -1, 12, "x", None, 10.0, True])
def test_bits_of_positions_are_those_of_the_format(tmp_path: Path, bits: Any) -> None:
    info = {"@type": "neuroglancer_multilod_draco", "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]}
    write_info(tmp_path, {**info, "lod_scale_multiplier": 1, "vertex_quantization_bits": bits})
    with pytest.raises(UnsupportedFormat, match="vertex_quantization_bits is"):
        voxome.open(f"precomputed://{tmp_path}")


@pytest.mark.parametrize("sharding", ["x", 5, [1], [["a", 1]], True])
def test_sharding_that_is_no_object_is_corrupt(tmp_path: Path, sharding: Any) -> None:
    with pytest.raises(CorruptData, match="its sharding is"):
        KeyedValues(LocalPath(str(tmp_path)), sharding)
