"""cloud-volume and Neuroglancer itself, in Chromium, read the annotations that we write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloudvolume.datasource.precomputed.annotation import PrecomputedAnnotationSource
from peers.chromium import Visit
from peers.neuroglancer import Show
from remotes.precomputed.collections_of_annotations import BIG, all_types, annotations_of

import voxome
from voxome.contracts.shapes import Annotations, AnnotationShape

pytestmark = pytest.mark.slow
UNIT = (4.0, 2.0, 2.0)


def test_cloud_volume_reads_points_by_id_and_by_segment(tmp_path: Path) -> None:
    expected = annotations_of("point", 3000, **all_types(3000))
    voxome.create_annotations(f"precomputed://{tmp_path}/a", expected, voxel_size_nm=UNIT, limit=100)
    theirs = PrecomputedAnnotationSource(f"file://{tmp_path}/a")
    found = theirs.get_by_id([*BIG, int(expected.ids[99])])
    stored = {key: values for key, values in expected.properties.items() if key not in ("long", "big", "exact")}
    del stored["Who did it?"]
    for row in (0, 1, 2, 3, 99):
        one = found[int(expected.ids[row])]
        np.testing.assert_array_equal(one.geometry[0], (expected.positions_nm[row, 0] / UNIT)[::-1])
        assert {name: values[0].tolist() for name, values in one.properties.items()} == {
            name: values[row].tolist() for name, values in stored.items()
        }
        assert {key: labels.tolist() for key, labels in one.relationships.items()} == {
            f"by_{name}": labels[row].tolist() for name, labels in expected.relations.items()
        }
    for name in ("pre", "post"):
        related = theirs.get_by_relationship(name, [7])[7]
        rows = [row for row, labels in enumerate(expected.relations[name]) if 7 in labels.tolist()]
        assert sorted(related.ids.tolist()) == sorted(expected.ids[rows].tolist())


SHOWN = {"point": 10_000, "line": 10_000, "box": 3000, "ellipsoid": 3000}


@pytest.mark.parametrize("shape", SHOWN)
def test_neuroglancer_shows_annotations_and_fetches_the_cells_of_its_view(
    tmp_path: Path,
    serve_by_nginx: Callable[..., str],
    show_in_neuroglancer: Show,
    visit: Visit,
    shape: AnnotationShape,
) -> None:
    expected = annotations_of(shape, 20_000)
    voxome.create_annotations(f"precomputed://{tmp_path}/a", expected, voxel_size_nm=UNIT, limit=200)
    log = tmp_path / "log"
    server = serve_by_nginx(tmp_path, log=log)
    info = json.loads((tmp_path / "a/info").read_text())
    lower, upper = np.array(info["lower_bound"]), np.array(info["upper_bound"])

    def look(at: np.ndarray, scale: float) -> tuple[int, dict[str, int]]:
        before = len(log.read_text().splitlines()) if log.exists() else 0
        picture = show_in_neuroglancer(visit, state(server, info, at, scale))
        return int(is_yellow(picture).sum()), bytes_by_folder(log.read_text().splitlines()[before:])

    far, everything = look((lower + upper) / 2, float((upper - lower).max() / 700))
    cell = np.array(info["spatial"][-1]["chunk_size"])
    near, some = look(lower + 1.5 * cell, float(cell[0] / 1600))
    assert [error for error in visit.errors if "404" not in error and "/events/" not in error] == []
    assert far > SHOWN[shape]
    assert near > 10
    finest = info["spatial"][-1]["key"]
    assert 0 < some[finest] < 4 * 200 * 60
    assert set(some) == {one["key"] for one in info["spatial"]}
    assert sum(everything.values()) > sum(some.values())


def state(server: str, info: dict[str, Any], at: np.ndarray, scale: float) -> dict[str, Any]:
    layer = {
        "type": "annotation",
        "name": "a",
        "source": f"precomputed://{server}/a",
        "annotationColor": "#ffff00",
        "annotationCrossSectionSpacing": 1,
    }
    return {
        "dimensions": info["dimensions"],
        "position": at.tolist(),
        "crossSectionScale": scale,
        "layout": "xy",
        "showAxisLines": False,
        "layers": [layer],
    }


def is_yellow(picture: np.ndarray) -> np.ndarray:
    """Return which pixels below the tool bar have the colour of the annotations."""
    view = picture[60:]
    return (view[..., 0] > 150) & (view[..., 1] > 150) & (view[..., 2] < 100)


def bytes_by_folder(lines: list[str]) -> dict[str, int]:
    """Bytes that were requested of the shards of each index, by their ranges."""
    sizes: Counter[str] = Counter()
    for line in lines:
        _, path, status, *ranges = line.split()
        if status == "206":
            first, last = ranges[0].removeprefix("bytes=").split("-")
            sizes[path.split("/")[2]] += int(last) - int(first) + 1
    return dict(sizes)


def test_neuroglancer_reads_the_properties_and_relations_of_an_annotation(
    tmp_path: Path, serve_by_nginx: Callable[..., str], show_in_neuroglancer: Show, visit: Visit
) -> None:
    wide = {f"p{number}": np.full(40, number, "float32") for number in range(70)}
    expected = annotations_of("line", 40, **{**all_types(40), **wide})
    voxome.create_annotations(f"precomputed://{tmp_path}/a", expected, voxel_size_nm=UNIT)
    server = serve_by_nginx(tmp_path)
    info = json.loads((tmp_path / "a/info").read_text())
    show_in_neuroglancer(visit, state(server, info, np.array(info["upper_bound"]) / 2, 10.0))
    found = visit.page.evaluate(READ, str(BIG[2]))
    assert found["properties"]["score"] == pytest.approx(float(expected.properties["score"][2]))
    for name in ("kind", "size", "n_int8", "n_int16", "n_uint32", "p69"):
        assert found["properties"][name] == expected.properties[name][2]
    assert found["related"] == [
        [str(label) for label in expected.relations[name][2].tolist()] for name in ("pre", "post")
    ]


READ = """async (id) => {
  const layer = viewer.layerManager.managedLayers[0].layer;
  const source = layer.annotationStates.states[0].source;
  const reference = source.getReference(id);
  for (let i = 0; i < 200 && !reference.value; ++i) await new Promise((done) => setTimeout(done, 50));
  const value = reference.value;
  const properties = {};
  const specs = source.properties.value ?? source.properties;
  specs.forEach((one, row) => { properties[one.identifier] = value.properties[row]; });
  return {
    properties,
    related: value.relatedSegments.map((ids) => Array.from(ids, (one) => one.toString())),
  };
}"""


def test_an_edit_that_was_folded_is_shown(
    tmp_path: Path, serve_by_nginx: Callable[..., str], show_in_neuroglancer: Show, visit: Visit
) -> None:
    one = Annotations("point", [1, 2], [[[500, 500, 500]], [[500, 900, 900]]])
    voxome.create_annotations(f"precomputed://{tmp_path}/a", one, voxel_size_nm=UNIT)
    points = voxome.open(f"precomputed://{tmp_path}/a", expect=voxome.Points, mode="r+")
    points.delete([1, 2])
    points.write(one.select(np.array([0])).replace(ids=[7]))
    points.fold()
    server = serve_by_nginx(tmp_path)
    info = json.loads((tmp_path / "a/info").read_text())
    picture = show_in_neuroglancer(visit, state(server, info, np.array([250.0, 250, 125]), 1.0))
    rows, columns = np.nonzero(is_yellow(picture))
    assert len(rows) > 3
    assert np.ptp(rows) < 20
    assert np.ptp(columns) < 20
