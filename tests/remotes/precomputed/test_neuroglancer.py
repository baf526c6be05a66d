"""Neuroglancer itself shows the meshes and skeletons that we write, in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from peers.chromium import Visit
from peers.neuroglancer import Show
from remotes.precomputed.surfaces import ball, box
from remotes.precomputed.test_mesh_writer import FORMATS, write
from remotes.precomputed.test_skeleton_writer import write as write_skeletons

import voxome
from voxome.contracts.shapes import Skeleton
from voxome.remotes.precomputed.meshes import MultiresolutionMeshes
from voxome.remotes.precomputed.shards import locate_value

pytestmark = pytest.mark.slow

ID = 2**63 + 5
CENTRE = (60_000.0, 50_000.0, 40_000.0)
FAR, MIDDLE, NEAR = 2_000_000, 500_000, 30_000
"""Height of the picture in nm."""


def state(source: Any, height_nm: float, centre: Any = CENTRE, **more: Any) -> dict[str, Any]:
    layer = {"type": "segmentation", "name": "objects", **(source if isinstance(source, dict) else {"source": source})}
    return {
        "dimensions": {axis: [1e-9, "m"] for axis in "xyz"},
        "position": list(centre)[::-1],
        "projectionScale": height_nm,
        "layout": "3d",
        "showSlices": False,
        "showAxisLines": False,
        "showDefaultAnnotations": False,
        "projectionBackgroundColor": "#000000",
        "crossSectionBackgroundColor": "#000000",
        "layers": [{**layer, "segments": [str(ID)], "selectedAlpha": 1, "segmentColors": {str(ID): "#ff0000"}}],
        **more,
    }


def red(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels of the object, below the bars of the viewer."""
    found = (picture[..., 0] > 60) & (picture[..., 1:] < 30).all(axis=-1)
    found[:130] = False
    return found


def faults(visit: Visit) -> list[str]:
    return [error for error in visit.errors if "404" not in error and "favicon" not in error]


def levels_of(path: Path, log: Path) -> tuple[list[int], int]:
    """Levels of detail of the fragments that were fetched, by the ranges in the server's log; fragments of level 0."""
    source = voxome.open(f"precomputed://{path}", expect=voxome.Meshes).source
    assert isinstance(source, MultiresolutionMeshes)
    location = locate_value(source._folder, source._manifests.sharding, ID)
    sizes = [level.sizes for level in source._manifest(ID).levels]
    ends = location.start - sum(int(one.sum()) for one in sizes) + np.cumsum(np.concatenate(sizes))
    lods = np.repeat(range(len(sizes)), [len(one) for one in sizes])
    starts = {int(end - size): int(lod) for end, size, lod in zip(ends, np.concatenate(sizes), lods, strict=True)}
    ranges = [line.split("bytes=")[1] for line in log.read_text().splitlines() if location.file.name in line]
    found = [starts[int(one.split("-")[0])] for one in ranges if int(one.split("-")[0]) in starts]
    return found, len(sizes[0])


@pytest.mark.parametrize(
    ("height_nm", "lods", "pixels"), [(FAR, {2}, 1100), (MIDDLE, {1, 2}, 17_500), (NEAR, {0, 1, 2}, 750_000)]
)
def test_a_mesh_is_fetched_in_the_detail_that_its_distance_needs(
    tmp_path: Path,
    serve_by_nginx: Callable[..., str],
    show_in_neuroglancer: Show,
    visit: Visit,
    monkeypatch: pytest.MonkeyPatch,
    height_nm: int,
    lods: set[int],
    pixels: int,
) -> None:
    monkeypatch.setattr("voxome.remotes.precomputed.mesh_grid._FACES", 2000)
    write(tmp_path / "mesh", {ID: [ball(50_000, CENTRE, parts) for parts in (192, 96, 32)]}, {})
    log = tmp_path / "log"
    server = serve_by_nginx(tmp_path, log=log)
    picture = show_in_neuroglancer(visit, state(f"precomputed://{server}/mesh", height_nm))
    assert faults(visit) == []
    statuses = {line.split()[2] for line in log.read_text().splitlines() if "/mesh" in line}
    assert statuses == {"200", "206"}
    fetched, finest = levels_of(tmp_path / "mesh", log)
    assert set(fetched) == lods
    assert fetched.count(0) < 0.5 * finest
    assert_allclose(np.count_nonzero(red(picture)), pixels, rtol=0.1)


@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_every_format_is_shown_alike(
    tmp_path: Path,
    serve_by_nginx: Callable[..., str],
    show_in_neuroglancer: Show,
    visit: Visit,
    options: dict[str, Any],
) -> None:
    write(tmp_path / "mesh", {ID: [ball(50_000, CENTRE, parts) for parts in (64, 32)]}, options)
    server = serve_by_nginx(tmp_path)
    picture = show_in_neuroglancer(visit, state(f"precomputed://{server}/mesh", MIDDLE))
    assert faults(visit) == []
    assert_allclose(np.count_nonzero(red(picture)), 17_500, rtol=0.1)


def test_skeletons_are_shown(
    tmp_path: Path, serve_by_nginx: Callable[..., str], show_in_neuroglancer: Show, visit: Visit
) -> None:
    line = np.linspace((60_000, 50_000, 0), (60_000, 50_000, 80_000), 9)
    edges = np.stack([np.arange(1, 9), np.arange(8)], axis=1)
    write_skeletons(tmp_path / "skeletons", {ID: Skeleton(line, edges, np.full(9, 500.0))})
    server = serve_by_nginx(tmp_path)
    picture = show_in_neuroglancer(visit, state(f"precomputed://{server}/skeletons", 160_000))
    assert faults(visit) == []
    y, x = np.nonzero(red(picture))
    assert np.ptp(x) > 250
    assert np.ptp(y) < 10


def extent(picture: NDArray[np.uint8]) -> list[int]:
    y, x = np.nonzero(red(picture))
    return [x.min(), x.max(), y.min(), y.max()]


@pytest.mark.parametrize("scheme", ["zarr", "precomputed"])
@pytest.mark.parametrize("offset_nm", [(0, 0, 0), (80, 32, 24)])
def test_meshes_are_in_the_place_of_the_labels(
    tmp_path: Path,
    serve_by_nginx: Callable[..., str],
    show_in_neuroglancer: Show,
    visit: Visit,
    scheme: str,
    offset_nm: tuple[float, float, float],
) -> None:
    spec = voxome.VolumeSpec.of((16, 16, 16), "uint64", voxel_size_nm=(40, 16, 8), offset_nm=offset_nm, kind="labels")
    labels = voxome.create(f"{scheme}://{tmp_path}/labels.{scheme}", spec)
    labels[4:8, 3:9, 2:12] = ID
    write(tmp_path / "mesh", {ID: [box((160, 48, 16), (320, 144, 96))]}, {})
    server = serve_by_nginx(tmp_path)
    layer = voxome.neuroglancer_layer(f"{scheme}://{server}/labels.{scheme}", f"precomputed://{server}/mesh")
    flat = {"layout": {"type": "3d", "orthographicProjection": True}}
    size = {"crossSectionScale": 0.5, "centre": (240, 96, 60)}
    volume = show_in_neuroglancer(visit, state({**layer, "source": layer["source"][:1]}, 335, **size, layout="xy"))
    mesh = show_in_neuroglancer(visit, state(layer, 335, **size, **flat))
    assert_allclose(extent(mesh), extent(volume), atol=1.5)
    assert np.ptp(extent(mesh)[:2]) > 100
