"""Synapses of an image, by box: the detector of the EM pipeline, on anything that means a volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import voxome
from voxome.contracts.shapes import Annotations
from voxome.errors import InvalidBox, InvalidInput, UnknownName, UnsupportedFormat
from voxome.resources.table import TableFile
from voxome.testing import ServiceContract

pytestmark = pytest.mark.slow

SIZE = (10.0, 10.0, 10.0)
SHAPE = (80, 96, 96)
BIG = 2**63 + 5
"""Ids as large as this are kept exactly."""


def scene(*spots: tuple[float, float, float], radius: float = 3.0) -> dict[str, Any]:
    """Return an image with three cells and dark spots, its segments and membranes.

    The first cell is below z = 40, the others above, on both sides of y = 48. Dark balls are what mitochondria are to
    the detector: they define how dark a T-bar is.
    """
    points = np.stack(np.mgrid[tuple(slice(n) for n in SHAPE)], axis=-1)
    z, y, _ = np.moveaxis(points, -1, 0)
    labels = np.where(z < 40, 1, np.where(y < 48, BIG, BIG + 1)).astype(np.uint64)
    near = (np.abs(z - 39.5) < 1.6) | ((z >= 40) & (np.abs(y - 47.5) < 1.6))
    labels[(np.abs(z - 39.5) < 1) | ((z >= 40) & (np.abs(y - 47.5) < 1))] = 0
    grey = np.random.default_rng(0).normal(180, 8, SHAPE)
    grey[near] -= 40
    dark = (((points - (14, 80, 80)) ** 2).sum(-1) < 12**2) | (((points - (65, 16, 16)) ** 2).sum(-1) < 11**2)
    grey[dark] = 62
    for spot in spots:
        grey[((points - np.array(spot)) ** 2).sum(-1) < radius**2] = 20
    raw = np.clip(grey, 0, 255).astype(np.uint8)
    return {"volume": raw, "labels": labels, "membranes": np.where(near, 255, 0).astype(np.uint8)}


def find(where: dict[str, Any], **options: Any) -> Annotations:
    return voxome.synapses(**where, voxel_size_nm=SIZE, **options)


def partners(found: Annotations) -> list[tuple[int, int]]:
    pre, post = (found.relations[name] for name in ("pre_segment", "post_segment"))
    return [(int(a[0]), int(b[0])) for a, b in zip(pre, post, strict=True)]


def assert_equal(one: Annotations, other: Annotations) -> None:
    assert one.shape == other.shape
    assert_array_equal(one.ids, other.ids)
    assert_array_equal(one.positions_nm, other.positions_nm)
    assert partners(one) == partners(other)
    for name, values in one.properties.items():
        assert_array_equal(values, other.properties[name])


def test_a_synapse_on_the_corner_of_blocks_is_found_once() -> None:
    where = scene((36, 32, 48))
    blocks = [(32, 32, 32), (48, 48, 48), SHAPE, (36, 32, 48)]
    first, *others = (find(where, block=block) for block in blocks)
    assert partners(first) == [(1, BIG)]
    assert first.properties["directed"].tolist() == [1]
    for other in others:
        assert_equal(first, other)


@pytest.mark.parametrize("radius", [3.0, 3.6])
def test_synapses_100_nm_apart_with_other_partners_are_two(radius: float) -> None:
    where = scene((36, 43, 48), (36, 53, 48), radius=radius)
    found = find(where)
    assert sorted(partners(found)) == [(1, BIG), (1, BIG + 1)]
    for block in ((32, 32, 32), SHAPE):
        assert_equal(found, find(where, block=block))


def test_synapses_100_nm_apart_with_the_same_partners_that_touch_are_one() -> None:
    where = scene((36, 22, 48), (36, 32, 48), radius=3.6)
    assert partners(find(where)) == [(1, BIG)]


def test_lines_end_in_their_segments() -> None:
    where = scene((36, 32, 48))
    found = find(where)
    voxels = np.floor(found.positions_nm[0] / SIZE).astype(int)
    assert where["labels"][tuple(voxels.T)].tolist() == [1, BIG]
    assert np.linalg.norm(found.positions_nm[0] - (np.array((36, 32, 48)) + 0.5) * SIZE, axis=1).max() < 150


def test_boxes_side_by_side_have_the_synapses_of_the_whole() -> None:
    where = scene((36, 32, 48), (36, 60, 20), (36, 60, 76))
    whole = find(where)
    assert len(whole) == 3
    parts = [find(where, box=box) for box in ("0:36,:,:", "36:80,0:60,:", "36:80,60:96,0:20", "36:80,60:96,20:96")]
    assert sum(len(part) for part in parts) == 3
    assert_equal(whole, Annotations.join(parts))


def test_labels_may_cover_a_part_of_the_image(tmp_path: Path) -> None:
    where = scene((36, 32, 48), (36, 60, 76))
    spec = voxome.VolumeSpec.of((80, 96, 60), "uint64", voxel_size_nm=SIZE, kind="labels", start=(0, 0, 0))
    voxome.create(f"zarr://{tmp_path}/part.zarr", spec)[...] = where["labels"][:, :, :60]
    assert partners(find({**where, "labels": f"{tmp_path}/part.zarr"})) == [(1, BIG)]


def test_without_labels_synapses_are_points() -> None:
    where = scene((36, 32, 48))
    found = voxome.synapses(where["volume"], membranes=where["membranes"], voxel_size_nm=SIZE)
    assert found.shape == "point"
    assert_array_equal(found.ids, find(where).ids)
    assert np.abs(found.positions_nm[0, 0] - (np.array((36, 32, 48)) + 0.5) * SIZE).max() < 20


def test_an_image_without_synapses_gives_none() -> None:
    found = find(scene())
    assert (len(found), found.shape, set(found.relations)) == (0, "line", {"pre_segment", "post_segment"})


def test_the_network_predicts_membranes_that_are_not_given(tmp_path: Path) -> None:
    files = voxome.phantom(tmp_path, shape=(48, 64, 64), seed=3)
    first, other = (
        voxome.synapses(files.raw, files.labels, box="8:40,:,:", block=block)
        for block in ((64, 128, 128), (24, 32, 40))
    )
    assert len(first)
    assert_equal(first, other)


def test_it_is_the_detector_of_the_pipeline(tmp_path: Path) -> None:
    files = voxome.phantom(tmp_path / "phantom", shape=(64, 96, 96), seed=1000)
    found = voxome.synapses(files.raw, files.labels, membranes=files.membranes)
    out = tmp_path / "out"

    def run(tool: str, **inputs: Any) -> dict[str, Any]:
        handles = voxome.tool(tool, inputs, out=out, block=(32, 96, 96), engine="sequential")
        return {name: handle.uri for name, handle in handles.items()}

    histogram = run("common.statistics", image=files.raw)["result"]
    maps = run("em.densities", raw=files.raw, membranes=files.membranes, histogram=histogram)
    lookup = run("common.union", pairs=run("common.touching", labels=maps["components"])["pairs"])["lookup"]
    joined = run("common.relabel", labels=maps["components"], lookup=lookup, keep=True)["result"]
    tables = run("em.associate", synapses=joined, neurons=files.labels, score=maps["score"])
    expected = _graph({name: TableFile(uri).read() for name, uri in tables.items()})
    assert len(found) > 5
    assert partners(found) == list(zip(expected["pre_id"].tolist(), expected["post_id"].tolist(), strict=True))
    assert_array_equal(found.properties["score"], expected["score"])
    assert_array_equal(found.properties["size_voxels"], expected["size_voxels"])


def _graph(tables: dict[str, Any]) -> dict[str, NDArray[Any]]:
    from voxome.tools.em.synaptic.partners import partners as find_partners
    from voxome.tools.em.synaptic.tables import select_objects, synapse_table

    objects = select_objects(tables["objects"], 100)
    known = ({k: v[np.isin(rows["synapse_id"], objects["id"])] for k, v in rows.items()} for rows in _two(tables))
    pairs = find_partners(*known, voxel_size_nm=SIZE)
    return synapse_table(objects, pairs, domain=voxome.Box.of_shape((64, 96, 96)), voxel_size_nm=SIZE)


def _two(tables: dict[str, Any]) -> list[dict[str, NDArray[Any]]]:
    return [tables["contacts"], tables["faces"]]


def test_it_says_what_found_them() -> None:
    made = find(scene((36, 32, 48)), box="0:80,:,:").provenance
    assert made is not None
    assert (made.service, made.way, made.tool) == ("synapses", "local", "em.densities")
    assert made.parameters["box"] == "0:80,0:96,0:96"
    assert [one.name for one in made.inputs] == ["image", "labels", "membranes"]


WHERE = scene((36, 32, 48))


class TestSynapses(ServiceContract):
    name = "synapses"
    options: ClassVar[Mapping[str, Any]] = {"labels": WHERE["labels"], "membranes": WHERE["membranes"]}

    @pytest.fixture
    def volume(self, tmp_path: Path) -> voxome.Volume:
        return voxome.put(WHERE["volume"], f"zarr://{tmp_path}/raw.zarr", voxel_size_nm=SIZE)

    def check(self, result: Annotations) -> None:
        assert partners(result) == [(1, BIG)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"volume": np.zeros(SHAPE, np.float32)}, "float32"),
        ({"labels": np.ones(SHAPE, np.float32)}, "labels are float32"),
        ({"labels": np.full(SHAPE, -1, np.int64)}, "the id -1"),
        ({"membranes": np.zeros(SHAPE, np.uint16)}, "membranes are uint16"),
        ({"membranes": np.zeros((80, 96, 95), np.uint8)}, "membranes have the voxels"),
        ({"volume": np.zeros((2, *SHAPE), np.uint8)}, "expected z/y/x"),
        ({"volume": np.full(SHAPE, 7, np.uint8)}, "constant"),
    ],
)
def test_unsuitable_volumes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        find({**scene((36, 32, 48)), **change})


def test_all_that_is_wrong_is_named_at_once() -> None:
    where = scene()
    with pytest.raises(InvalidInput, match=r"labels are float64.*membranes are float64"):
        find({**where, "labels": where["labels"] * 1.0, "membranes": where["membranes"] * 1.0})


def test_volumes_at_other_places_are_named(tmp_path: Path) -> None:
    where = scene()
    spec = voxome.VolumeSpec.of(SHAPE, "uint64", voxel_size_nm=(10, 10, 8), offset_nm=(0, 0, 80), kind="labels")
    voxome.create(f"zarr://{tmp_path}/other.zarr", spec)
    with pytest.raises(InvalidInput, match="labels has voxels of 10,10,8 nm"):
        find({**where, "labels": f"{tmp_path}/other.zarr"})


def test_an_image_of_other_voxels_than_the_network_is_refused_without_membranes() -> None:
    where = scene()
    with pytest.raises(InvalidInput, match="40,4,4"):
        voxome.synapses(where["volume"], where["labels"], voxel_size_nm=(40, 4, 4))


def test_wrong_arguments_are_named() -> None:
    where = scene()
    with pytest.raises(InvalidBox, match="is not inside"):
        find(where, box="0:800,:,:")
    with pytest.raises(UnsupportedFormat, match="no store performs 'synapses'"):
        find(where, service="own")
    with pytest.raises(UnknownName):
        find(where, service="synapse")
    with pytest.raises(InvalidInput, match="synapse_threshold"):
        find(where, synapse_threshold=300)
