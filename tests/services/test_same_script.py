"""One script, one line changed: services give the same on every store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs.pages import blocks_of
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from services.labelled import BALL, EDGES, NEURITE, SIZE, STORES, VOXEL, labels, stored

import voxome
from voxome.tools.common.meshing.measures import area_of, volume_of
from voxome.workflow.shapes import write_meshes, write_skeletons

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "services.md"
FIRST = 'volume = voxome.open("zarr://labels.zarr")\n'


def run_script(first: str, **names: Any) -> dict[str, Any]:
    """Run the script of the documentation with another first line."""
    (block,) = blocks_of(PAGE)
    assert block.text.startswith(FIRST)
    values = {"voxome": voxome, **names}
    exec(block.text.replace(FIRST, f"{first}\n", 1), values)
    return values


@pytest.fixture(scope="module")
def expected() -> Mapping[str, Any]:
    """What the script gives on a NumPy array."""
    volume = voxome.put(labels(), "memory://same-script", voxel_size_nm=SIZE)
    return run_script("volume = array", array=volume)


def assert_tables(one: Any, other: Any) -> None:
    assert one.columns == other.columns
    for name in one.columns:
        assert_array_equal(one[name], other[name], err_msg=name)


def assert_same_mesh(one: voxome.Mesh, other: voxome.Mesh, rtol: float = 0.02) -> None:
    """Compare meshes whose order may differ, as stores are read in other blocks: extent, area, and distance."""
    for end in (np.min, np.max):
        assert_allclose(end(one.vertices_nm, axis=0), end(other.vertices_nm, axis=0), atol=40)
    assert_allclose(area_of(one.vertices_nm, one.faces), area_of(other.vertices_nm, other.faces), rtol=rtol)
    assert_allclose(volume_of(one.vertices_nm, one.faces), volume_of(other.vertices_nm, other.faces), rtol=rtol)


def assert_same_skeleton(one: voxome.Skeleton, other: voxome.Skeleton) -> None:
    """Compare skeletons whose nodes may be in another order: positions, radii and edges."""
    orders = [np.lexsort(skeleton.nodes_nm.T) for skeleton in (one, other)]
    for name in ("nodes_nm", "radii_nm"):
        assert_array_equal(getattr(one, name)[orders[0]], getattr(other, name)[orders[1]])
    pairs = zip(orders, (one, other), strict=True)
    edges = [np.sort(np.argsort(order)[skeleton.edges], axis=1) for order, skeleton in pairs]
    assert_array_equal(*(rows[np.lexsort(rows.T)] for rows in edges))


def triangles(mesh: voxome.Mesh) -> NDArray[np.float32]:
    """Return the triangles of a mesh in an order of their own, each from its smallest corner on."""
    corners = mesh.vertices_nm[mesh.faces]
    first = np.lexsort(np.moveaxis(corners[..., ::-1], -1, 0), axis=-1)[:, 0]
    turned = np.stack([corners[np.arange(len(corners)), (first + turn) % 3] for turn in range(3)], axis=1)
    flat = turned.reshape(-1, 9)
    return flat[np.lexsort(flat.T)]


def assert_same_services(volume: voxome.Volume, expected: Mapping[str, Any], *, indexed: bool) -> None:
    """Check that surfaces have the same triangles, and that the store's index says what the voxels say."""
    for id in (EDGES, NEURITE, BALL, VOXEL):
        mesh, other = volume.mesh(id), expected["volume"].mesh(id)
        assert_array_equal(triangles(mesh), triangles(other), err_msg=str(id))
        assert mesh.provenance is not None
        assert mesh.provenance.way == "local"
    for id in (NEURITE, BALL, VOXEL):
        assert_same_skeleton(volume.skeleton(id), expected["volume"].skeleton(id))
    for service in ("own", "local") if indexed else ("local",):
        assert_array_equal(volume.ids("0:32,:,:", service=service), expected["ids"])
        assert {id: volume.bounding_box(id, service=service) for id in expected["boxes"]} == expected["boxes"]


@pytest.mark.parametrize("store", STORES)
def test_one_line_changed(
    store: str, expected: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stored(store, tmp_path, monkeypatch) as uri:
        found = run_script(f'volume = voxome.open("{uri}")')
        assert found["ids"].tolist() == [EDGES, NEURITE, VOXEL]
        assert_array_equal(found["ids"], expected["ids"])
        assert found["boxes"] == expected["boxes"]
        assert_tables(found["measures"], expected["measures"])
        assert_tables(found["touching"], expected["touching"])
        assert_same_mesh(found["mesh"], expected["mesh"])
        assert_same_skeleton(found["skeleton"], expected["skeleton"])
        assert_same_services(found["volume"], expected, indexed=store in ("bossdb", "dvid"))


def test_a_store_that_keeps_shapes_answers_itself(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    voxome.put(labels(), f"precomputed://{folder}", voxel_size_nm=SIZE)
    write_meshes(f"precomputed://{folder}", f"precomputed://{folder}/mesh", engine="sequential", block=(32, 32, 32))
    write_skeletons(
        f"precomputed://{folder}", f"precomputed://{folder}/skeletons", engine="sequential", block=(32, 32, 32)
    )
    volume = voxome.open(f"precomputed://{folder}", expect=voxome.Volume)
    for id in (NEURITE, BALL, VOXEL):
        shapes = [(volume.mesh(id, service=way), volume.skeleton(id, service=way)) for way in (None, "local")]
        (own, skeleton), (local, traced) = shapes
        assert own.provenance is not None
        assert own.provenance.way == "own"
        assert_same_mesh(own, local, rtol=0.2)
        assert_allclose(skeleton.length_nm, traced.length_nm, rtol=0.05)
    assert [one.tool for one in voxome.provenance(f"precomputed://{folder}/mesh")] == ["common.meshes"]
    assert [one.tool for one in voxome.provenance(f"precomputed://{folder}/skeletons")] == ["common.skeletons"]


def test_the_expected_values_are_numpys(expected: Mapping[str, Any]) -> None:
    data = labels()
    for id, box in expected["boxes"].items():
        points = np.argwhere(data == id)
        assert (box.start, box.stop) == (tuple(points.min(axis=0)), tuple(points.max(axis=0) + 1))
        assert expected["measures"].row(id)["voxels"] == len(points)
