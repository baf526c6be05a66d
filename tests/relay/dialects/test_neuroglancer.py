"""Neuroglancer itself shows image, labels and meshes through a relay, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from peers.chromium import Visit
from peers.neuroglancer import Show
from relay.serving import serving
from remotes.precomputed.surfaces import box
from remotes.precomputed.test_mesh_writer import write as write_meshes

import voxome
from voxome.relay.sources import Sources

pytestmark = pytest.mark.slow

ID = 2**63 + 5
SIZE_NM = (8.0, 8.0, 8.0)
SHAPE = (40, 100, 120)
ORIGIN = (3, 0, -20)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that is 200 in a column, and labels with one segment there, which has a mesh; both have an origin."""
    folder, sources = tmp_path_factory.mktemp("served"), Sources()
    image = np.full(SHAPE, 20, "uint8")
    image[:, 30:60, 40:80] = 200
    spec = voxome.VolumeSpec.of(SHAPE, "uint8", start=ORIGIN, voxel_size_nm=SIZE_NM, chunk=(64, 64, 64))
    voxome.create(f"zarr://{folder}/em.zarr", spec)[...] = image
    labels = voxome.create(f"precomputed://{folder}/seg", spec.replace(dtype="uint64", kind="labels"))
    labels[...] = np.where(image == 200, np.uint64(ID), np.uint64(0))
    corner = (np.array(ORIGIN) + np.array((0, 30, 40))) * 8
    write_meshes(folder / "seg/mesh", {ID: [box(corner, corner + np.array((40, 30, 40)) * 8)]}, {})
    sources.add("em", f"zarr://{folder}/em.zarr")
    sources.add("seg", f"precomputed://{folder}/seg")
    with serving(sources, ["precomputed", "zarr", "zarr3"], allow_origins=["*"]) as url:
        yield url


def state(source: str, kind: str, layout: Any, **more: Any) -> dict[str, Any]:
    centre = [(o + n / 2) for o, n in zip(ORIGIN, SHAPE, strict=True)][::-1]
    return {
        "dimensions": {axis: [8e-9, "m"] for axis in "xyz"}, "position": centre, "crossSectionScale": 0.4,
        "projectionScale": 200, "layout": layout, "showSlices": False, "showAxisLines": False,
        "showDefaultAnnotations": False, "projectionBackgroundColor": "#000000",
        "crossSectionBackgroundColor": "#000000",
        "layers": [{"type": kind, "name": "layer", "source": source, **more}],
    }  # fmt: skip


SHADER = "void main() { emitRGB(vec3(0.0, toNormalized(getDataValue()), 0.0)); }"


def extent(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width in pixels, below the bars of the viewer."""
    mask[:130] = False
    y, x = np.nonzero(mask)
    return int(np.ptp(y)) + 1, int(np.ptp(x)) + 1


def faults(visit: Visit) -> list[str]:
    """Errors of the page but for files of other formats, which are probed, and requests that are given up."""
    return [error for error in visit.errors if not any(one in error for one in ("404", "favicon", "ERR_ABORTED"))]


@pytest.mark.parametrize(
    ("source", "chunks"),
    [
        ("precomputed://{}/precomputed/em", "/0/-20-44_0-64_3-43"),
        ("zarr2://{}/zarr/em/", "/0/0/0/0"),
        ("zarr3://{}/zarr3/em/", "/0/c/0/0/0"),
        ("{}/zarr/em/", "/0/0/0/0"),
        ("{}/zarr3/em/", "/0/c/0/0/0"),
        ("{}/precomputed/em/", "/0/-20-44_0-64_3-43"),
    ],
)
def test_an_image_is_shown_also_by_its_bare_address(
    url: str, show_in_neuroglancer: Show, visit: Visit, source: str, chunks: str
) -> None:
    picture = show_in_neuroglancer(visit, state(source.format(url), "image", "xy", shader=SHADER))
    assert faults(visit) == []
    assert any(one.endswith(chunks) for one in visit.requests)
    bright = (picture[..., 1] > 190) & (picture[..., ::2] < 20).all(axis=-1)
    dark = (picture[..., 1] > 10) & (picture[..., 1] < 40) & (picture[..., ::2] < 10).all(axis=-1)
    np.testing.assert_allclose(extent(bright), (75, 100), atol=3)
    np.testing.assert_allclose(extent(dark | bright), (250, 300), atol=4)


def test_labels_and_their_mesh_are_shown(url: str, show_in_neuroglancer: Show, visit: Visit) -> None:
    chosen = {"segments": [str(ID)], "selectedAlpha": 1, "segmentColors": {str(ID): "#ff0000"}}
    source = f"precomputed://{url}/precomputed/seg"
    flat = show_in_neuroglancer(visit, state(source, "segmentation", "xy", **chosen))
    red = (flat[..., 0] > 200) & (flat[..., 1:] < 30).all(axis=-1)
    np.testing.assert_allclose(extent(red), (75, 100), atol=3)
    solid = show_in_neuroglancer(visit, state(source, "segmentation", "3d", **chosen))
    assert np.count_nonzero((solid[130:, :, 0] > 60) & (solid[130:, :, 1:] < 30).all(axis=-1)) > 3000
    assert any("/precomputed/seg/mesh/" in one for one in visit.requests), visit.requests
    assert faults(visit) == []
