"""Meshes that we write: read back by us, by cloud-volume, and as a viewer asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from remotes.precomputed.layers import BIG_IDS, write_volume
from remotes.precomputed.surfaces import ball, box, open_edges, triangles, volume

import voxome
from voxome.contracts.id_groups import group_of
from voxome.contracts.provenance import Provenance
from voxome.contracts.shape_writers import ShapesSpec, SupportsWriteMeshes
from voxome.contracts.shapes import Mesh
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, InvalidInput, NotFound, ReadOnly, UnknownName
from voxome.geometry import Box
from voxome.remotes.precomputed.meshes import MultiresolutionMeshes
from voxome.remotes.precomputed.remote import PrecomputedRemote
from voxome.remotes.precomputed.shards import locate_value

IDS = [*BIG_IDS, 2**64 - 1, 12, 13]
FORMATS: list[dict[str, Any]] = [
    {"format": "legacy"},
    {"format": "multires", "sharded": False, "bits": 10},
    {"format": "multires", "sharded": True},
    {"sharded": True, "bits": 10},
]


def meshes(ids: Sequence[int] = IDS) -> dict[int, list[Mesh]]:
    """Meshes of three levels of detail each; that of 12 is of one voxel of 8 x 16 x 40 nm."""
    at = {id: np.array([400.0, 300, 200]) * (1 + row) for row, id in enumerate(ids)}
    found = {id: [ball(900, centre, parts) for parts in (20, 10, 5)] for id, centre in at.items()}
    return {**found, **({12: [box((40, 16, 8), (80, 32, 16))] * 2} if 12 in ids else {})}


def write(
    path: Path, shapes: Mapping[int, Sequence[Mesh]], options: Mapping[str, Any], groups: int = 4, finish: bool = True
) -> None:
    uri, remote = Uri("precomputed", str(path)), PrecomputedRemote()
    spec = ShapesSpec(groups=groups, voxel_size_nm=(40, 16, 8), domain=Box.of_shape((9, 9, 9)), options=options)
    remote.check_meshes(uri, spec)
    ids = sorted(shapes)
    group = group_of(np.array(ids, np.uint64), groups)
    for number in range(groups):  # each group in a process of its own
        mine = [(id, shapes[id]) for id, one in zip(ids, group, strict=True) if one == number]
        remote.open_mesh_writer(uri, spec).write_group(number, iter(mine))
    if finish:
        made = Provenance.now("meshes", "local", "common.meshes", "1", {"dust": 3})
        for _ in range(2):
            remote.open_mesh_writer(uri, spec).finish(made)


def test_the_remote_writes_meshes() -> None:
    assert isinstance(PrecomputedRemote(), SupportsWriteMeshes)


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_meshes_are_read_back(tmp_path: Path, options: dict[str, Any]) -> None:
    shapes = meshes()
    write(tmp_path / "mesh", shapes, options)
    found = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)
    assert found.ids().tolist() == sorted(IDS)
    assert PrecomputedRemote().foreign_names(Uri("precomputed", f"{tmp_path}/mesh")) == []
    for id, levels in shapes.items():
        for lod, mesh in enumerate(levels if options.get("format") != "legacy" else levels[:1]):
            back = found.mesh(id, lod)
            assert open_edges(back) == 0
            assert_allclose(volume(back), volume(mesh), rtol=0.01)
            assert_allclose(back.vertices_nm.min(axis=0), mesh.vertices_nm.min(axis=0), atol=2)
    with pytest.raises(NotFound):
        found[14]
    one = found[12].vertices_nm
    assert (one.min(axis=0).tolist(), one.max(axis=0).tolist()) == ([40, 16, 8], [80, 32, 16])


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_fragments_are_joined_where_their_nodes_meet(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every edge has two faces by index, too, and no vertex inside a node is joined with another."""
    monkeypatch.setattr("voxome.remotes.precomputed.mesh_grid._FACES", 30)
    levels = meshes()[5]
    write(tmp_path, {5: levels}, options)
    found = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Meshes)
    for lod in range(1 if options.get("format") == "legacy" else 3):
        mesh = found.mesh(5, lod)
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
        assert len(np.unique(mesh.faces)) == len(mesh.vertices_nm)


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_cloud_volume_reads_the_meshes(tmp_path: Path, options: dict[str, Any]) -> None:
    import cloudvolume

    write_volume(tmp_path)
    shapes = meshes()
    write(tmp_path / "mesh", shapes, options)
    layer = cloudvolume.CloudVolume(f"file://{tmp_path}", progress=False)
    ours = voxome.open(f"precomputed://{tmp_path}/mesh", expect=voxome.Meshes)
    for id, levels in shapes.items():
        if options.get("format") == "legacy":
            theirs = layer.mesh.get(id)
            assert_allclose(swapped(theirs[id] if isinstance(theirs, dict) else theirs), triangles(levels[0]))
            continue
        for lod in range(len(levels)):
            theirs = layer.mesh.get(id, lod=lod)[id]
            assert_allclose(swapped(theirs), triangles(ours.mesh(id, lod)), atol=1e-3)


def swapped(mesh: Any) -> Any:
    return triangles(Mesh(mesh.vertices[:, ::-1], mesh.faces[:, ::-1]))


@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_a_segmentation_names_the_folder_its_list_of_ids_and_nothing_is_null(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    write_volume(tmp_path)
    write(tmp_path / "mesh", meshes(), options)
    layer = json.loads((tmp_path / "info").read_text())
    assert layer["mesh"] == "mesh"
    assert layer["segment_properties"] == "mesh/segment_properties"
    info = json.loads((tmp_path / "mesh/info").read_text())
    listed = json.loads((tmp_path / "mesh" / info["segment_properties"] / "info").read_text())
    assert listed == {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": [str(id) for id in sorted(IDS)], "properties": []},
    }
    assert "null" not in (tmp_path / "info").read_text() + (tmp_path / "mesh/info").read_text()
    provenance = json.loads((tmp_path / "mesh/provenance").read_text())
    assert [one["method"]["task"] for one in provenance["processing"]] == ["meshes"]
    source = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Volume)
    assert len(source.meshes().ids()) == len(IDS)
    listed = {one.uri for one in voxome.ls(f"precomputed://{tmp_path}")}
    assert {f"precomputed://{tmp_path}/mesh", f"precomputed://{tmp_path}/mesh/segment_properties"} <= listed


def test_links_to_missing_folders_are_replaced_those_to_properties_kept(tmp_path: Path) -> None:
    write_volume(tmp_path, mesh="old", segment_properties="properties")
    write(tmp_path / "new", meshes(), {})
    layer = json.loads((tmp_path / "info").read_text())
    assert (layer["mesh"], layer["segment_properties"]) == ("new", "properties")


@pytest.mark.parametrize("named", ["curated", "curated/", "../elsewhere", "https://host/meshes"])
def test_links_to_other_folders_are_kept_and_a_warning_says_so(
    tmp_path: Path, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_volume(tmp_path, mesh=named, segment_properties="properties")
    (tmp_path / "curated").mkdir()
    (tmp_path / "curated/1:0").write_bytes(b"")
    before = (tmp_path / "info").read_text()
    write(tmp_path / "trial", meshes(), {})
    assert (tmp_path / "info").read_text() == before
    assert (
        f"names {named} as mesh, and keeps it; for viewers to show trial instead, set 'mesh' to 'trial'" in caplog.text
    )


def test_without_a_segmentation_above_nothing_is_linked(tmp_path: Path) -> None:
    write(tmp_path / "mesh", meshes(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["mesh"]
    image = {"type": "image", "scales": []}
    (tmp_path / "image").mkdir()
    (tmp_path / "image/info").write_text(json.dumps(image))
    write(tmp_path / "image/mesh", meshes(), {})
    assert json.loads((tmp_path / "image/info").read_text()) == image


def test_in_shards_the_fragments_end_where_the_manifest_begins(tmp_path: Path) -> None:
    write(tmp_path, meshes(), {})
    source = voxome.open(f"precomputed://{tmp_path}", expect=voxome.Meshes).source
    assert isinstance(source, MultiresolutionMeshes)
    sharding = json.loads((tmp_path / "info").read_text())["sharding"]
    assert (sharding["data_encoding"], sharding["minishard_bits"], sharding["shard_bits"]) == ("gzip", 6, 2)
    for id in IDS:
        location = locate_value(source._folder, sharding, id)
        size = sum(int(level.sizes.sum()) for level in source._manifest(id).levels)
        data = location.file.read_range(location.start - size, location.start)
        assert data.startswith(b"DRACO")
        assert location.file.read_range(location.start, location.stop).startswith(b"\x1f\x8b")


def test_a_legacy_manifest_is_json_that_names_files_that_exist(tmp_path: Path) -> None:
    write(tmp_path, meshes(), {"format": "legacy"})
    for id in IDS:
        names = json.loads((tmp_path / f"{id}:0").read_text())["fragments"]
        assert names
        assert all((tmp_path / name).is_file() for name in names)
    assert not list(tmp_path.rglob("*.gz"))


def test_a_group_that_is_written_again_replaces_the_first_attempt(tmp_path: Path) -> None:
    write(tmp_path / "mesh", meshes(), {}, groups=1, finish=False)
    uri = Uri("precomputed", f"{tmp_path}/mesh")
    spec = ShapesSpec(groups=1, voxel_size_nm=(40, 16, 8), domain=Box.of_shape((9, 9, 9)))
    writer = PrecomputedRemote().open_mesh_writer(uri, spec)

    def failing() -> Iterator[tuple[int, list[Mesh]]]:
        yield 5, meshes()[5]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        writer.write_group(0, failing())
    writer.write_group(0, [(7, [box((0, 0, 0), (1, 1, 1))])])
    writer.finish(None)
    assert voxome.open(str(uri), expect=voxome.Meshes).ids().tolist() == [7]


def test_groups_without_meshes_leave_a_valid_empty_folder(tmp_path: Path) -> None:
    for options in FORMATS:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        write(path, {}, options)
        assert voxome.open(f"precomputed://{path}", expect=voxome.Meshes).ids().tolist() == []


@pytest.mark.slow
def test_a_folder_with_something_else_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "mesh", meshes(), {})
    with pytest.raises(AlreadyExists, match="already exists"):
        write(tmp_path / "mesh", meshes(), {})
    (tmp_path / "run/.voxome").mkdir(parents=True)
    (tmp_path / "run/.voxome/shapes.json").write_text("{}")
    for _ in range(2):  # a run has checked that the folder is its own, and may resume
        write(tmp_path / "run", meshes(), {})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"format": "obj"}, InvalidInput, "format is 'obj'; expected multires or legacy"),
        ({"bits": 12}, InvalidInput, "bits is 12; expected 16 or 10"),
        ({"sharded": "perhaps"}, InvalidInput, "sharded is 'perhaps'; expected true or false"),
        ({"levls": 3}, UnknownName, "Unknown option 'levls'"),
    ],
)
def test_unknown_options_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write(tmp_path / "mesh", {}, options)
    assert not list(tmp_path.iterdir())


def test_a_read_only_store_is_refused(serve: Any, tmp_path: Path) -> None:
    with pytest.raises(ReadOnly):
        write(serve(tmp_path), {}, {})


def test_more_ids_than_a_viewer_lists_are_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voxome.remotes.precomputed.new_shapes.MOST_LISTED", 3)
    write_volume(tmp_path)
    write(tmp_path / "mesh", meshes(), {})
    assert "has 7 ids, more than viewers list; segment_properties is left out" in caplog.text
    assert "segment_properties" not in (tmp_path / "info").read_text() + (tmp_path / "mesh/info").read_text()


def test_objects_without_a_surface_are_refused(tmp_path: Path) -> None:
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3)))
    for number, options in enumerate(FORMATS):
        with pytest.raises(InvalidInput, match="mesh of segment 5 has no faces"):
            write(tmp_path / str(number), {5: [nothing]}, options)


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_meshes_are_written_into_any_store(any_store: str, options: dict[str, Any]) -> None:
    uri, remote = Uri.parse(f"precomputed://{any_store}"), PrecomputedRemote()
    spec = ShapesSpec(groups=1, voxel_size_nm=(40, 16, 8), domain=Box.of_shape((9, 9, 9)), options=options)
    remote.check_meshes(uri, spec)
    for _ in range(2):
        remote.open_mesh_writer(uri, spec).write_group(0, sorted(meshes().items()))
    remote.open_mesh_writer(uri, spec).finish(None)
    found = voxome.open(uri.reveal(), expect=voxome.Meshes)
    assert found.ids().tolist() == sorted(IDS)
    assert open_edges(found[2**63 + 5]) == 0
    with pytest.raises(AlreadyExists):
        remote.check_meshes(uri, spec)
