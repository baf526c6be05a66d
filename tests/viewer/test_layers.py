from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.viewer.layers import Layers


def layers_of(*layers: dict[str, Any], **state: Any) -> Layers:
    return voxome.open_link("https://host/#!" + json.dumps({"layers": list(layers), **state}))


def test_a_layer_is_opened_as_a_volume(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of(data.shape, "uint8"))[...] = data
    layers = layers_of({"name": "em", "type": "image", "source": f"zarr://file://{tmp_path}/em.zarr"})
    em = layers["em"]
    assert list(layers) == ["em"]
    assert isinstance(em, voxome.Volume)
    np.testing.assert_array_equal(em[...], data)


def test_layers_of_older_states_are_a_mapping() -> None:
    layers = voxome.open_link(
        "https://host/#!{'layers':{'em':'precomputed://gs://a/b'_'seg':{'source':'n5://s3://c/d'}}}"
    )
    assert {name: layers.uris(name) for name in layers} == {"em": ["precomputed://gs://a/b"], "seg": ["n5://s3://c/d"]}


def test_ids_of_segments_keep_all_their_bits() -> None:
    ids = [2**53 + 1, 2**63 + 5, 2**64 - 2]
    layers = layers_of({"name": "seg", "source": "precomputed://gs://a/b", "segments": [*map(str, ids), "!7"]})
    assert layers.segments("seg") == ids


def test_the_position_is_in_nm() -> None:
    dimensions = {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]}
    assert layers_of(position=[10, 20, 30.5], dimensions=dimensions).position_nm == pytest.approx((1220, 160, 80))
    pose = {"position": {"voxelSize": [8, 8, 40], "voxelCoordinates": [10, 20, 30.5]}}
    assert layers_of(navigation={"pose": pose}).position_nm == (1220, 160, 80)
    assert layers_of().position_nm is None


def test_annotations_in_the_link_are_in_nm_with_their_segments() -> None:
    layer = {
        "name": "notes", "type": "annotation",
        "source": {"url": "local://annotations", "transform": {"outputDimensions": {a: [4e-9, "m"] for a in "xyz"}}},
        "annotations": [
            {"type": "point", "point": [1, 2, 3], "id": "a", "segments": [[str(2**60 + 1)], ["7"]]},
            {"type": "line", "pointA": [0, 0, 0], "pointB": [1, 1, 2], "id": "b", "description": "synapse"},
        ],
    }  # fmt: skip
    found = layers_of(layer).annotations("notes")
    assert found["point"].positions_nm.tolist() == [[[12, 8, 4]]]
    assert found["point"].relations["segments"][0].tolist() == [2**60 + 1, 7]
    assert found["line"].positions_nm.tolist() == [[[0, 0, 0], [8, 4, 4]]]
    assert found["line"].properties["description"].tolist() == ["synapse"]


@pytest.mark.parametrize("entry", [{"type": "cloud"}, {"type": "point"}, {"type": "line", "pointA": [1, 2]}, "point"])
def test_malformed_annotations_are_named(entry: Any) -> None:
    layer = {"name": "notes", "source": "local://annotations", "annotations": [entry]}
    dimensions = {axis: [1e-9, "m"] for axis in "xyz"}
    with pytest.raises(InvalidInput, match="the layer 'notes'"):
        layers_of(layer, dimensions=dimensions).annotations("notes")


def test_a_layer_that_does_not_open_concerns_nobody_else(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of((2, 3, 4), "uint8"))
    layers = layers_of({"name": "a", "source": "brainmaps://x"}, {"name": "b", "source": f"zarr://{tmp_path}/em.zarr"})
    assert layers["b"].uri.endswith("em.zarr")
    with pytest.raises(UnsupportedFormat, match="brainmaps"):
        layers["a"]
    with pytest.raises(KeyError, match="Unknown layer 'c'"):
        layers["c"]
    assert "c" not in layers
    assert layers.get("c") is None
    assert "a" in layers


def test_a_layer_that_the_link_moves_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    voxome.create(f"zarr://{tmp_path}/em.zarr", voxome.VolumeSpec.of((2, 3, 4), "uint8"))
    matrix = [[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0]]
    source = {"url": f"zarr://{tmp_path}/em.zarr", "transform": {"matrix": matrix}}
    with caplog.at_level(logging.WARNING):
        layers_of({"name": "em", "source": source})["em"]
    assert "moves the layer em" in caplog.text


def test_positions_have_the_order_of_the_dimensions() -> None:
    dimensions = {"t": [1, "s"], "z": [4e-8, "m"], "y": [8e-9, "m"], "x": [4e-9, "m"]}
    entry = {"type": "point", "point": [7, 10, 20, 30]}
    layers = layers_of(
        {"name": "notes", "source": "local://annotations", "annotations": [entry]},
        position=[7, 10, 20, 30], dimensions=dimensions,
    )  # fmt: skip
    assert layers.position_nm == pytest.approx((400, 160, 120))
    np.testing.assert_allclose(layers.annotations("notes")["point"].positions_nm, [[[400, 160, 120]]])


def test_layers_of_one_name_are_all_there() -> None:
    layers = layers_of({"name": "a", "source": "n5://s3://c/d"}, {"name": "a", "source": "n5://s3://e/f"})
    assert [layers.uris(name) for name in layers] == [["n5://s3://c/d"], ["n5://s3://e/f"]]


@pytest.mark.parametrize("state", [{"navigation": None}, {"dimensions": 3, "position": [1, 2, 3]}])
def test_views_without_a_place_have_no_position(state: dict[str, Any]) -> None:
    assert voxome.open_link({"layers": [], **state}).position_nm is None


@pytest.mark.parametrize("position", [[1, 2], "a", 3, [1, 2, "z"]])
def test_malformed_positions_are_refused(position: Any) -> None:
    with pytest.raises(InvalidInput, match="the position of the view is malformed"):
        _ = layers_of(position=position, dimensions={axis: [1e-9, "m"] for axis in "xyz"}).position_nm


@pytest.mark.parametrize("source", [3, {"uri": "a"}, [None]])
def test_malformed_sources_are_named(source: Any) -> None:
    with pytest.raises(InvalidInput, match="a source of the layer 'a'"):
        layers_of({"name": "a", "source": source}).uris("a")


@pytest.mark.parametrize("layers", [3, [3], [{"source": "a"}]])
def test_malformed_layers_are_refused(layers: Any) -> None:
    with pytest.raises(InvalidInput, match="malformed"):
        voxome.open_link({"layers": layers})


def test_json_that_is_no_state_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the JSON is no state of Neuroglancer"):
        voxome.open_link({"sources": {"em": {}}})
    assert list(voxome.open_link({})) == []
    assert list(voxome.open_link({"layout": "4panel"})) == []
