from __future__ import annotations

import json
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from peers.chromium import Visit, wait_until
from playwright.sync_api import Route

import voxome
from voxome.contracts.formats import RUN
from voxome.errors import InvalidInput, NotFound
from voxome.models.pixels.points import PointMarks
from voxome.viewer.layers import Layers

SIZE_NM = (8.0, 8.0, 8.0)
ID = 2**53 + 1


@pytest.fixture
def image() -> NDArray[np.uint8]:
    image = np.full((40, 100, 120), 20, np.uint8)
    image[:, 30:60, 40:80] = 200
    return image


def write(path: Path, data: NDArray[Any], **options: Any) -> str:
    spec = voxome.VolumeSpec.of(data.shape, data.dtype, voxel_size_nm=SIZE_NM).replace(**options)
    volume = voxome.create(f"zarr://{path}", spec)
    volume[...] = data
    return volume.uri


@pytest.mark.slow
def test_a_view_serves_what_it_shows(image: NDArray[Any], tmp_path: Path) -> None:
    labels = np.where(image == 200, np.uint64(ID), np.uint64(0))
    points = voxome.Annotations("point", np.array([1], np.uint64), np.array([[[80.0, 80, 80]]]))
    others = set(Path(gettempdir()).glob("voxome-view-*/p"))
    with voxome.view(
        image, write(tmp_path / "cells.zarr", labels, kind="labels"), points, names=["em", "cells", "p"]
    ) as shown:
        state = httpx.get(f"{shown.url}/state").json()
        layers = Layers(state)
        assert [one["type"] for one in state["layers"]] == ["image", "segmentation", "annotation"]
        assert state["position"] == [10, 10, 10]  # of the point, which other sections do not show
        em = voxome.open(layers.uris("em")[0])
        np.testing.assert_array_equal(em[:5], image[:5])
        np.testing.assert_array_equal(layers["cells"][:5], labels[:5])
        assert len(layers["p"].within((0, 0, 0), (100, 100, 100))) == 1
        mesh = layers["cells"].mesh(ID, service="own")
        assert mesh.vertices_nm.min(axis=0).tolist() == [0, 240, 320]
        assert "iframe" in shown._repr_html_()
    with pytest.raises(httpx.ConnectError):
        httpx.get(shown.url)
    assert not set(Path(gettempdir()).glob("voxome-view-*/p")) - others


@pytest.mark.slow
def test_what_has_no_voxel_size_gets_one_or_a_warning(
    image: NDArray[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / "file.npy", image)
    with voxome.view(image, tmp_path / "file.npy", names=["array", "file"]):
        assert [one.message.partition(",")[0] for one in caplog.records] == [
            "array has no voxel size", "file has no voxel size",
        ]  # fmt: skip
    caplog.clear()
    labels = (image == 200).astype(np.uint64)
    with voxome.view(labels, tmp_path / "file.npy", names=["cells", "file"], voxel_size_nm=(40, 4, 8)) as shown:
        layers = voxome.open_link(shown.url)
        for name in layers:
            assert layers[name].voxel_size_nm == (40, 4, 8)
        np.testing.assert_array_equal(layers["file"][3], image[3])
        assert layers["cells"].mesh(1, service="own").vertices_nm.min(axis=0).tolist() == [0, 120, 320]
    assert not caplog.records


SERVED = [
    ("uint8", (4, 5, 6), "precomputed://", "uint8"),
    ("bool", (4, 5, 6), "precomputed://", "uint8"),
    ("float16", (4, 5, 6), "precomputed://", "float32"),
    ("float64", (4, 5, 6), "precomputed://", "float32"),
    ("int64", (4, 5, 6), "precomputed://", "uint64"),
    ("uint8", (5, 6), "zarr2://", "uint8"),
    ("bool", (5, 6), "zarr2://", "uint8"),
    ("int64", (5, 6), "zarr2://", "uint64"),
    ("uint16", (2, 2, 4, 5, 6), "zarr2://", "uint16"),
    ("float64", (2, 2, 4, 5, 6), "zarr2://", "float32"),
]
"""dtype and shape → source and dtype in the viewer."""


def test_arrays_are_named_in_a_format_and_a_dtype_that_the_viewer_has() -> None:
    given = [(np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype) for dtype, shape, _, _ in SERVED]
    with voxome.view(*given, names=[f"a{n}" for n in range(len(given))]) as shown:
        layers = Layers(httpx.get(f"{shown.url}/state").json())
        sources = {one["name"]: one["source"] for one in layers.state["layers"]}
        for n, (data, (_, shape, source, dtype)) in enumerate(zip(given, SERVED, strict=True)):
            assert sources[f"a{n}"].startswith(source)
            volume = layers[f"a{n}"]
            assert isinstance(volume, voxome.Volume)
            assert (volume.dtype, volume.shape) == (np.dtype(dtype), shape)
            np.testing.assert_array_equal(volume[...], data.astype(dtype))


def test_a_dtype_that_changes_numbers_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with voxome.view(np.full((2, 2, 2), -1, np.int64), np.ones((2, 2, 2)), voxel_size_nm=SIZE_NM):
        int64, float64 = (one.message for one in caplog.records)
    assert int64.endswith("it is shown as uint64: a negative number n as 2**64 + n")
    assert float64 == "array2 is float64, which Neuroglancer does not have; it is shown rounded to float32"


@pytest.mark.parametrize("shape", [(0, 5, 6), (5,), (1, 2, 2, 4, 5, 6)])
def test_a_shape_that_the_viewer_does_not_show_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"array1 has the (shape|axes)"):
        voxome.view(np.zeros(shape, np.uint8))


def test_images_without_z_have_voxels_of_two_lengths() -> None:
    with voxome.view(np.zeros((5, 6), np.uint8), voxel_size_nm=(8, 4)) as shown:
        dimensions = httpx.get(f"{shown.url}/state").json()["dimensions"]
        assert dimensions["y"] == [pytest.approx(8e-9), "m"]
        assert dimensions["x"] == [pytest.approx(4e-9), "m"]
    with pytest.raises(InvalidInput, match="three positive lengths"):
        voxome.view(np.zeros((5, 6), np.uint8), np.zeros((4, 5, 6), np.uint8), voxel_size_nm=(8, 4))


def test_an_invalid_name_is_refused_before_anything_is_opened(
    image: NDArray[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidInput, match=r"invalid source name 'a/\.\./b c'"):
        voxome.view(image, names=["a/../b c"])
    assert not caplog.records


@pytest.mark.slow
def test_a_link_that_somebody_shares_is_opened(image: NDArray[Any], tmp_path: Path) -> None:
    with voxome.view(write(tmp_path / "em.zarr", image)) as shown:
        state = voxome.open_link(shown.url).state
        base = shown.url.removesuffix("view")
        id = httpx.post(f"{shown.url}/states", params={"base": base}, json=state).json()["id"]
        layers = voxome.open_link(f"{shown.url}/v/relay/?s={id}")
        assert layers.state == state
        np.testing.assert_array_equal(layers["em"][3], image[3])
        with pytest.raises(NotFound, match="no state of Neuroglancer"):
            voxome.open_link(f"{shown.url}/v/relay/?s=0")


def test_what_cannot_be_shown_is_refused(image: NDArray[Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing to show"):
        voxome.view()
    with pytest.raises(InvalidInput, match="two layers would be called em"):
        voxome.view(image, image, names=["em", "em"])
    with pytest.raises(InvalidInput, match="em cannot be proofread; name a layer proofread://STORE"):
        voxome.view(image, names=["em"], proofread=True)
    sized = write(tmp_path / "em.zarr", image)
    with pytest.raises(InvalidInput, match="all volumes have a voxel size; leave out voxel_size_nm"):
        voxome.view(sized, voxel_size_nm=(8, 8, 8))
    with pytest.raises(InvalidInput, match="1 names of 2 targets"):
        voxome.view(image, image, names=["em"])
    with pytest.raises(NotFound):
        voxome.view(str(tmp_path / "nothing.zarr"))


@pytest.mark.slow
def test_requests_under_other_host_names_are_refused(image: NDArray[np.uint8]) -> None:
    with voxome.view(image, hosts=["hub.example.org"]) as shown:
        for host, status in (("evil.example", 400), ("hub.example.org", 200), ("localhost", 200)):
            assert httpx.get(f"{shown.url}/state", headers={"Host": host}).status_code == status


def test_a_volume_is_shown_by_its_method(image: NDArray[Any], tmp_path: Path) -> None:
    volume = voxome.open(write(tmp_path / "em.zarr", image))
    with volume.view() as shown:
        assert list(Layers(httpx.get(f"{shown.url}/state").json())) == ["em"]


@pytest.mark.slow
def test_the_page_shows_image_labels_mesh_and_points_and_shares_a_link(
    image: NDArray[Any], tmp_path: Path, visit: Visit
) -> None:
    labels = write(tmp_path / "cells.zarr", np.where(image == 200, np.uint64(ID), np.uint64(0)), kind="labels")
    page = visit.page
    with voxome.view(write(tmp_path / "em.zarr", image), labels) as shown:
        page.goto(shown.url)
        ready = "() => window.viewer !== undefined && viewer.state.toJSON().layers?.length === 2 && viewer.isReady()"
        page.wait_for_function(ready, timeout=60_000)
        page.evaluate(
            f"viewer.layerManager.managedLayers[1].layer.displayState.segmentationGroupState.value.visibleSegments.add({ID}n)"
        )
        wait_until(page, lambda: any(f"/mesh/{ID}:0:0" in one for one in visit.requests))
        page.click("#voxome-share")
        note = page.wait_for_selector("text=?s=", timeout=60_000)
        assert note is not None
        link = note.inner_text()
        first = page.evaluate("JSON.stringify(viewer.state.toJSON())")
        page.goto("about:blank")
        page.goto(link)
        page.wait_for_function(ready, timeout=60_000)
        assert page.evaluate("JSON.stringify(viewer.state.toJSON().layers)") in first
    hosts = {one.split("/")[2] for one in visit.requests if one.startswith("http")}
    assert hosts == {shown.url.split("/")[2]}


@pytest.mark.slow
def test_the_neurons_of_a_run_have_numbers_in_the_viewer(tmp_path: Path) -> None:
    labels = np.zeros((4, 5, 6), np.uint64)
    labels[:, :, 2:] = ID
    write(tmp_path / "neurons.zarr", labels, kind="labels")
    pq.write_table(pa.table({"id": np.array([ID], np.uint64), "voxels": [80]}), tmp_path / "neurons.parquet")
    outputs = {"neurons": "zarr://./neurons.zarr", "neurons_table": "./neurons.parquet"}
    record = {"inputs": {}, "outputs": outputs, "store": None}
    (tmp_path / "run.json").write_text(json.dumps(RUN.stamp(record)))
    with voxome.view(tmp_path) as shown:
        (layer,) = httpx.get(f"{shown.url}/state").json()["layers"]
        assert layer["segmentQuery"] == ">voxels |voxels"
        source = layer["source"].removeprefix("precomputed://")
        assert httpx.get(f"{source}/info").json()["segment_properties"] == "segment_properties"
        inline = httpx.get(f"{source}/segment_properties/info").json()["inline"]
        assert inline["ids"] == [str(ID)]
        assert [one["values"] for one in inline["properties"]] == [[80], [80 * 8**3 / 1e9]]
        np.testing.assert_array_equal(voxome.open_link(shown.url)["neurons"][0], labels[0])


@pytest.mark.slow
def test_annotations_are_kept_by_version(image: NDArray[np.uint8], tmp_path: Path) -> None:
    with voxome.view(image, annotate=tmp_path / "drawn") as shown:
        address = f"{shown.url}/annotations/annotations"
        assert Layers(httpx.get(f"{shown.url}/state").json()).annotations("annotations") == {}
        seen = httpx.get(address).json()["version"]
        point = {"type": "point", "id": "1", "point": [1, 2, 3]}
        body = {"annotations": [point], "version": seen}
        assert httpx.put(address, json=body).status_code == 200
        assert httpx.put(address, json=body).status_code == 409
        assert httpx.put(address, json={"annotations": point}).status_code == 400
        assert httpx.put(f"{address}2", json=body).status_code == 404
        (shape,) = Layers(httpx.get(f"{shown.url}/state").json()).annotations("annotations").values()
        assert shape.positions_nm.tolist() == [[[3, 2, 1]]]
    with voxome.view(image) as shown:
        assert httpx.get(f"{shown.url}/annotations/annotations").status_code == 404


@pytest.mark.slow
def test_classes_are_drawn_in_layers_of_their_own_and_trained_on(image: NDArray[np.uint8], tmp_path: Path) -> None:
    folders = {"cells": tmp_path / "cells", "other": tmp_path / "other"}
    with voxome.view(write(tmp_path / "em.zarr", image), annotate=folders) as shown:
        layers = httpx.get(f"{shown.url}/state").json()["layers"][-2:]
        assert [one["name"] for one in layers] == ["cells", "other"]
        assert len({one["annotationColor"] for one in layers}) == 2
        for number, name in enumerate(folders, 1):
            address = f"{shown.url}/annotations/{name}"
            point = {"type": "point", "id": "1", "point": [8 * number, 16, 24]}
            body = {"annotations": [point], "version": httpx.get(address).json()["version"]}
            assert httpx.put(address, json=body).status_code == 200
    volume = voxome.open(str(tmp_path / "em.zarr"), expect=voxome.Volume)
    drawn = {name: f"precomputed://{folder}/point" for name, folder in folders.items()}
    (marks,) = PointMarks.drawn(drawn, volume.spec, volume.domain, {"cells": 1, "other": 2}).read()
    assert (marks.voxels.tolist(), marks.classes.tolist()) == ([[3, 2, 1], [3, 2, 2]], [0, 1])
    with pytest.raises(InvalidInput, match="one folder"):
        voxome.view(image, annotate=dict.fromkeys(folders, tmp_path / "cells"))
    with pytest.raises(InvalidInput, match="name"):
        voxome.view(image, annotate={"a b": tmp_path / "cells"})


@pytest.mark.slow
def test_an_annotation_drawn_by_mouse_is_in_the_store(image: NDArray[np.uint8], tmp_path: Path, visit: Visit) -> None:
    page = visit.page
    with voxome.view(write(tmp_path / "em.zarr", image), annotate=tmp_path / "drawn") as shown:
        page.goto(shown.url)
        page.wait_for_function("() => document.body.dataset.voxomeKept === '0' && viewer.isReady()", timeout=60_000)
        page.keyboard.down("Control")
        page.mouse.click(250, 250)
        page.keyboard.up("Control")
        page.wait_for_function("() => document.body.dataset.voxomeKept === '1'", timeout=60_000)
        (drawn,) = page.evaluate("viewer.state.toJSON().layers.at(-1).annotations")
        points = voxome.open(f"precomputed://{tmp_path}/drawn/point", expect=voxome.Points)
        stored = points.within((0, 0, 0), (1e6, 1e6, 1e6))
        np.testing.assert_allclose(stored.positions_nm[0, 0, ::-1], drawn["point"], atol=1e-2)
        page.reload()
        page.wait_for_function("() => document.body.dataset.voxomeKept === '1'", timeout=60_000)


DRAW = """one => {
  const state = viewer.state.toJSON();
  (state.layers.at(-1).annotations ??= []).push(one);
  viewer.state.restoreState(state);
}"""


@pytest.mark.slow
def test_annotations_are_sent_again_until_the_server_has_them(
    image: NDArray[np.uint8], tmp_path: Path, visit: Visit
) -> None:
    page, kept = visit.page, "() => document.body.dataset.voxomeKept === '{}' && viewer.isReady()"
    failures = ["refuse", "lose", "store"]

    def fail(route: Route) -> None:
        failure = failures.pop(0) if failures and route.request.method == "PUT" else ""
        if failure == "store":  # and lose the answer
            route.fetch()
        if failure == "refuse":
            route.fulfill(status=503, body="<h1>busy</h1>")
        elif failure:
            route.abort()
        else:
            route.continue_()

    with voxome.view(write(tmp_path / "em.zarr", image), annotate=tmp_path / "drawn") as shown:
        page.goto(shown.url)
        page.wait_for_function(kept.format(0), timeout=60_000)
        page.route("**/annotations/annotations", fail)
        page.evaluate(DRAW, {"type": "point", "id": "1", "point": [8, 16, 24]})
        page.get_by_text("not kept yet, it is sent again").wait_for(timeout=60_000)
        leave = "() => !dispatchEvent(new Event('beforeunload', {cancelable: true}))"
        assert page.evaluate(leave), "the page is left without a question"
        page.wait_for_function(kept.format(1), timeout=60_000)
        assert failures == []
        assert not page.evaluate(leave)
        assert not page.get_by_text("not kept").count()
        assert [one["id"] for one in httpx.get(f"{shown.url}/annotations/annotations").json()["annotations"]] == ["1"]
        page.evaluate(DRAW, {"type": "point", "id": "2", "point": [16, 16, 24]})
        page.wait_for_function(kept.format(2), timeout=60_000)


@pytest.mark.slow
def test_annotations_wait_for_a_state_that_is_built_again(
    image: NDArray[np.uint8], tmp_path: Path, visit: Visit
) -> None:
    page, methods = visit.page, []

    def build_again(route: Route) -> None:
        methods.append(route.request.method)
        if len(methods) == 1:
            page.evaluate(
                "() => { const state = viewer.state.toJSON(); viewer.state.reset();"
                " setTimeout(() => viewer.state.restoreState(state), 2000); }"
            )
        route.continue_()

    with voxome.view(write(tmp_path / "em.zarr", image), annotate=tmp_path / "drawn") as shown:
        page.route("**/annotations/annotations", build_again)
        page.goto(shown.url)
        page.wait_for_function("() => document.body.dataset.voxomeKept === '0'", timeout=60_000)
        assert methods == ["GET", "GET"]
        assert visit.errors == []


@pytest.mark.slow
def test_a_page_with_an_older_state_loses_no_annotations(
    image: NDArray[np.uint8], tmp_path: Path, visit: Visit
) -> None:
    page, kept = visit.page, "() => document.body.dataset.voxomeKept === '{}' && viewer.isReady()"
    points = [{"type": "point", "id": str(id), "point": [8.3 * id, 16, 24]} for id in range(1, 5)]
    with voxome.view(write(tmp_path / "em.zarr", image), annotate=tmp_path / "drawn") as shown:
        address = f"{shown.url}/annotations/annotations"

        def store(*annotations: dict[str, object]) -> None:
            body = {"annotations": annotations, "version": httpx.get(address).json()["version"]}
            assert httpx.put(address, json=body).status_code == 200

        store(points[0])
        page.goto(shown.url)
        page.wait_for_function(kept.format(1), timeout=60_000)
        page.wait_for_function("() => decodeURIComponent(location.hash).includes('annotations')", timeout=60_000)
        assert not page.locator("text=annotations in the address").count()
        store(*points[:3])
        page.reload()
        page.wait_for_function(kept.format(3), timeout=60_000)
        page.evaluate(
            """one => {
              const state = viewer.state.toJSON();
              state.layers.at(-1).annotations.push(one);
              viewer.state.restoreState(state);
            }""",
            points[3],
        )
        page.wait_for_function(kept.format(4), timeout=60_000)
        assert {one["id"] for one in httpx.get(address).json()["annotations"]} == {"1", "2", "3", "4"}
        store(*points[1:])
        page.reload()
        page.wait_for_function(kept.format(3), timeout=60_000)
        page.wait_for_selector("text=annotations: 1 annotations in the address of this page are not stored")
