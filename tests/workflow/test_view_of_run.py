"""A finished run in Neuroglancer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from peers.chromium import Visit, wait_until
from peers.pictures import Pixels, share_of

import voxome
from voxome.reports.colours import neuron_colour, read_colours

pytestmark = pytest.mark.slow

READY = "() => window.viewer !== undefined && viewer.state.toJSON().layers?.length >= 5 && viewer.isReady()"
SELECT = """(id) => {
  const segments = viewer.layerManager.getLayerByName("neurons").layer.displayState.segmentationGroupState.value
    .visibleSegments;
  segments.clear();
  segments.add(BigInt(id));
}"""
LINKED = "() => viewer.state.toJSON().layers.find((one) => one.name === 'synapses')?.linkedSegmentationLayer"
ONLY = """(name) => { for (const one of viewer.layerManager.managedLayers) one.setVisible(one.name === name); }"""


def test_a_run_shows_image_neurons_meshes_and_synapses_with_their_partners(
    reference: Path, tmp_path: Path, visit: Visit
) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1400, "height": 900})
    with voxome.view(reference, annotate=tmp_path / "drawn") as shown:
        page.goto(shown.url)
        page.wait_for_function(READY, timeout=120_000)
        linked = page.wait_for_function(LINKED, timeout=60_000).json_value()
        assert linked == {"pre": "neurons", "post": "neurons"}
        neurons = pq.read_table(reference / "neurons.parquet", columns=["id", "voxels"]).to_pydict()
        largest = [id for _, id in sorted(zip(neurons["voxels"], neurons["id"], strict=True), reverse=True)][:3]
        page.screenshot(path=tmp_path / "run.png")
        colours = read_colours(reference)
        page.evaluate(ONLY, "neurons")
        for id in largest:  # the mesh has the colour of the report
            page.evaluate(SELECT, str(id))
            colour = _near(colours.get(id, neuron_colour(id)))
            wait_until(page, lambda colour=colour: share_of(page.screenshot(), colour) > 0.002)
            assert any(f"/precomputed/neurons/mesh/{id}:0:0" in one for one in visit.requests)
        assert any("/precomputed/synapses/spatial0/" in one for one in visit.requests)

        page.evaluate(ONLY, "raw")
        wait_until(page, lambda: share_of(page.screenshot(), _grey) > 0.05)
        page.evaluate(ONLY, "synapses")
        wait_until(page, lambda: share_of(page.screenshot(), _yellow) > 1e-4)

        first = pq.read_table(reference / "synapses.parquet", columns=["pre_id"])["pre_id"][0].as_py()
        page.evaluate(
            """(id) => { const state = viewer.state.toJSON();
               for (const layer of state.layers) {
                 layer.visible = layer.name === "neurons" || layer.name === "synapses";
                 if (layer.name === "synapses") layer.filterBySegmentation = ["pre"];
                 if (layer.name === "neurons") layer.segments = [id];
               }
               viewer.state.restoreState(state); }""",
            str(first),
        )
        wait_until(page, lambda: any("/precomputed/synapses/by_pre/" in one for one in visit.requests))

        page.evaluate("viewer.selectedLayer.layer = viewer.layerManager.getLayerByName('annotations')")
        page.evaluate(ONLY, "annotations")
        page.wait_for_function("() => document.body.dataset.voxomeKept === '0'", timeout=60_000)
        page.keyboard.down("Control")
        page.mouse.click(250, 250)
        page.keyboard.up("Control")
        page.wait_for_function("() => document.body.dataset.voxomeKept === '1'", timeout=60_000)
        points = voxome.open(f"precomputed://{tmp_path}/drawn/point", expect=voxome.Points)
        assert len(points.within((0, 0, 0), (1e6, 1e6, 1e6))) == 1
    assert {one.split("/")[2] for one in visit.requests if one.startswith("http")} == {shown.url.split("/")[2]}
    assert not [one for one in visit.errors if "404" not in one]


def _grey(red: Pixels, green: Pixels, blue: Pixels) -> NDArray[np.bool_]:
    return (red == green) & (green == blue) & (red > 60) & (red != 128) & (red < 240)


def _yellow(red: Pixels, green: Pixels, blue: Pixels) -> NDArray[np.bool_]:
    return (red > 240) & (green > 240) & (blue < 30)


def _near(colour: tuple[int, int, int]) -> Callable[[Pixels, Pixels, Pixels], NDArray[np.bool_]]:
    """Return a test of pixels of a colour, or nearly."""
    red, green, blue = colour
    return lambda r, g, b: (abs(r - red) < 12) & (abs(g - green) < 12) & (abs(b - blue) < 12)
