"""Normalization: the same for any dtype, blocks and padding; contrast, tiles and shading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tools.common.blockwise import as_file, frame_of, run_blocks

from voxome.contracts.frame import Frame
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.resources.table import TableFile
from voxome.tools.common.contrast.tiles import TileGrid
from voxome.tools.common.gaps import BRIDGED, NO_DATA, TISSUE
from voxome.tools.common.normalize import normalize
from voxome.tools.common.ratio import ratio
from voxome.tools.common.statistics import HISTOGRAM, statistics
from voxome.tools.common.tile_histograms import TILES, tile_histograms
from voxome.workflow.invariance import check_invariance

SHAPE = (26, 40, 37)
METHODS = ("contrast", "clahe", "subtract", "divide")
RANGE: dict[str, Any] = {"low": 0.0, "high": 255.0}

pytestmark = pytest.mark.slow


def texture(seed: int = 1, shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).normal(120, 20, shape).clip(1, 254).astype(np.uint8)


def run(
    folder: Path, image: NDArray[Any], method: str, block: tuple[int, int, int] = SHAPE, *,
    frame: Frame | None = None, tissue: NDArray[np.uint8] | None = None, tile_um: float = 8.0, **options: Any,
) -> NDArray[np.uint8]:  # fmt: skip
    frame = frame_of(image.shape) if frame is None else frame
    volumes = {"image": image} if tissue is None else {"image": image, "tissue": tissue}
    limits = {name: options[name] for name in ("low", "high", "histogram") if name in options}
    found = run_blocks(tile_histograms, volumes, block, frame, tile_um=tile_um, **limits)
    tiles = as_file(folder / "tiles.parquet", found["tiles"], TILES.columns)
    result = run_blocks(normalize, volumes, block, frame, tiles=tiles, tile_um=tile_um, method=method, **options)
    return np.asarray(result["image"])


def histogram_of(folder: Path, image: NDArray[Any], tissue: NDArray[np.uint8] | None = None) -> TableFile:
    return as_file(folder / "histogram.parquet", statistics(image, tissue), HISTOGRAM.columns)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_do_not_show(tmp_path: Path, method: str) -> None:
    image = texture()
    whole = run(tmp_path, image, method, **RANGE)
    for block in ((13, 20, 19), (9, 14, 13), (26, 7, 40)):
        np.testing.assert_array_equal(run(tmp_path, image, method, block, **RANGE), whole)


@pytest.mark.parametrize("method", METHODS)
def test_the_dtype_does_not_matter(tmp_path: Path, method: str) -> None:
    image = texture()
    histogram = histogram_of(tmp_path, image)
    whole = run(tmp_path, image, method, histogram=histogram)
    assert whole.std() > 5
    for dtype in ("uint16", "int16", "float32", "float64"):
        np.testing.assert_array_equal(run(tmp_path, image.astype(dtype), method, histogram=histogram), whole)


@pytest.mark.parametrize("method", METHODS)
def test_a_border_without_data_changes_no_voxel(tmp_path: Path, method: str) -> None:
    image = texture(shape=(24, 40, 32))
    whole = run(tmp_path, image, method, histogram=histogram_of(tmp_path, image))
    for width in (8, 24):  # whole tiles, as these start where the volume does
        padded, tissue = np.pad(image, width), np.pad(np.ones(image.shape, np.uint8), width)
        histogram = histogram_of(tmp_path, padded, tissue)
        result = run(tmp_path, padded, method, (33, 20, 50), tissue=tissue, histogram=histogram)
        assert not result[tissue == 0].any()
        np.testing.assert_array_equal(result[tuple(slice(width, -width) for _ in range(3))], whole)


@pytest.mark.parametrize("method", METHODS)
def test_gaps_that_are_bridged_have_no_data_and_change_no_voxel(tmp_path: Path, method: str) -> None:
    image, tissue = texture(), np.ones(SHAPE, np.uint8)
    image[5:7] = 0
    tissue[5:7] = NO_DATA
    expected = run(tmp_path, image, method, tissue=tissue, **RANGE)
    tissue[5:7] = BRIDGED
    found = run(tmp_path, image, method, tissue=tissue, **RANGE)
    np.testing.assert_array_equal(found, expected)
    assert not found[5:7].any()


def test_a_block_without_data_is_background_and_counted(tmp_path: Path) -> None:
    image, frame = np.zeros(SHAPE, np.uint8), frame_of(SHAPE)
    for method in METHODS:
        found = run_blocks(
            normalize, {"image": image, "tissue": image}, (13, 20, 20), frame, method=method, low=0.0, high=9.0
        )
        assert not found["image"].any()
        assert found["counts"]["no_data"].tolist() == [SHAPE[1] * SHAPE[2]] * SHAPE[0]
    nan = np.full(SHAPE, np.nan, np.float32)
    assert not run(tmp_path, nan, "clahe", low=0.0, high=1.0).any()


def test_a_hot_voxel_changes_only_the_tiles_around_it(tmp_path: Path) -> None:
    shape = (40, 40, 40)
    image = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    hot = image.copy()
    hot[0, 0, 0] = 1e6
    before, after = (run(tmp_path, one, "clahe", low=50.0, high=150.0).astype(int) for one in (image, hot))
    changed = np.abs(after - before)
    changed[0, 0, 0] = 0
    assert changed.max() <= 2
    assert not changed[16:].any()


@pytest.mark.parametrize("value", [0, 1, 77, 200, 255])
def test_a_constant_volume_stays_constant_and_near_its_value(tmp_path: Path, value: int) -> None:
    result = run(tmp_path, np.full(SHAPE, value, np.uint8), "clahe", **RANGE)
    assert len(np.unique(result)) == 1
    assert abs(int(result[0, 0, 0]) - value) <= 2


def test_a_volume_without_contrast_has_no_range(tmp_path: Path) -> None:
    image = np.full(SHAPE, 7, np.uint8)
    with pytest.raises(InvalidInput, match=r"7 to 7.*set low and high"):
        run(tmp_path, image, "contrast", histogram=histogram_of(tmp_path, image))


@pytest.mark.parametrize("method", ["clahe", "subtract", "divide"])
def test_half_of_the_volume_is_the_same_half_of_the_whole(tmp_path: Path, method: str) -> None:
    image = texture(shape=(48, 24, 24))
    whole = run(tmp_path, image, method, **RANGE)
    half = run(tmp_path, image[:24], method, **RANGE)
    np.testing.assert_array_equal(half[:12], whole[:12])  # farther ones are between tiles that the half does not have


def test_no_strip_shows_where_the_size_is_no_multiple_of_the_tile(tmp_path: Path) -> None:
    image = texture(shape=(24, 24, 67))
    result = run(tmp_path, image, "clahe", **RANGE).astype(float)
    columns = result.mean(axis=(0, 1))
    assert np.abs(columns - columns.mean()).max() < 6 * result.std() / np.sqrt(24 * 24)


def test_tiles_are_micrometres_also_of_flat_voxels() -> None:
    frame = frame_of((20, 50, 50), (5000.0, 2000.0, 2000.0))
    grid = TileGrid.of(frame.domain, 20.0, frame.scale_nm)
    assert (grid.edges, grid.shape) == ((4, 10, 10), (5, 5, 5))
    ends = np.flatnonzero(np.diff(TileGrid(frame.domain, (4, 10, 9)).indices(2, 7, 57)))
    assert ends.tolist() == [8, 17, 26, 35, 44]  # 50 = 5 · 9 + 5: the sixth tile has more than half of the length


@pytest.mark.parametrize("method", ["subtract", "divide"])
def test_shading_is_removed_and_cells_are_kept(tmp_path: Path, method: str) -> None:
    shape = (30, 60, 60)
    ramp = np.linspace(0, 1, 60)[None, :, None] * np.ones(shape)
    light = 60 + 80 * ramp if method == "subtract" else 100 * (0.6 + 0.8 * ramp)
    image = light + np.random.default_rng(0).normal(0, 2, shape)
    cells = np.zeros(shape, bool)
    cells[12:18, 10:16, 10:16] = cells[12:18, 44:50, 44:50] = True
    image = np.where(cells, image - 40 if method == "subtract" else image * 0.6, image).astype(np.uint8)
    result = run(tmp_path, image, method, tile_um=10.0, **RANGE).astype(float)
    rows = np.median(result, axis=(0, 2))[5:-5]
    assert np.ptp(rows) < 6
    assert abs(np.median(result) - 128) < 4
    first, second = result[12:18, 10:16, 10:16].mean(), result[12:18, 44:50, 44:50].mean()
    assert abs(first - second) < 8
    assert first < 100


def test_the_ratio_to_the_background_does_not_depend_on_the_light() -> None:
    shape, frame = (12, 60, 60), frame_of((12, 60, 60), (5000.0, 2000.0, 2000.0))
    light = 1 + np.linspace(0, 2, 60)[None, None, :] * np.ones(shape)
    cells = np.zeros(shape)
    cells[5:8, 30:34, 10:14] = cells[5:8, 30:34, 46:50] = 3
    image, background = (200 * light * (1 + cells) + 100).astype(np.uint16), (200 * light + 100).astype(np.uint16)
    volumes = {"image": image, "background": background}
    whole = run_blocks(ratio, volumes, shape, frame, smoothing_um=4.0, offset=100.0)["result"]
    for block in ((6, 30, 30), (5, 17, 60)):
        parts = run_blocks(ratio, volumes, block, frame, smoothing_um=4.0, offset=100.0)["result"]
        np.testing.assert_array_equal(parts, whole)
    assert np.abs(whole[cells == 0] - 1).max() < 0.1
    assert np.abs(whole[cells > 0] - 4).max() < 0.2


def test_the_ratio_has_no_data_where_there_is_no_light() -> None:
    image, background = np.full((6, 8, 20), 50, np.uint8), np.full((6, 8, 20), 10, np.uint8)
    background[:, :, 12:] = 0
    result = run_blocks(ratio, {"image": image, "background": background}, (6, 8, 7), frame_of((6, 8, 20)))["result"]
    np.testing.assert_allclose(result[:, :, :12], 5, rtol=1e-5)
    assert np.isnan(result[:, :, 12:]).all()


@pytest.mark.parametrize("options", [{}, {"min_light": 5.0}, {"background": np.full((6, 8, 40), 10, np.uint8)}])
def test_nan_is_no_data_of_the_ratio_and_does_not_spread(options: dict[str, Any]) -> None:
    image, tissue = np.full((6, 8, 40), 50, np.float32), np.full((6, 8, 40), TISSUE, np.uint8)
    image[:, :, 30:], image[2], tissue[2] = np.nan, np.nan, BRIDGED
    volumes = {"image": image, "tissue": tissue} | {name: options[name] for name in options if name == "background"}
    others = {name: value for name, value in options.items() if name not in volumes}
    found = run_blocks(ratio, volumes, (6, 8, 20), frame_of((6, 8, 40)), **others)
    known = np.isfinite(image)
    assert np.array_equal(np.isfinite(found["result"]), known)
    assert (found["tissue"][:, :, 30:][tissue[:, :, 30:] == TISSUE] == NO_DATA).all()
    assert (found["tissue"][2, :, :30] == BRIDGED).all()
    assert (found["tissue"][known] == TISSUE).all()


def test_lengths_need_a_voxel_size() -> None:
    spec = VolumeSpec.of((8, 8, 8), "uint8")
    for tool in (tile_histograms, ratio):
        assert "voxel size is unknown" in next(iter(tool.spec.check({"image": spec}, {})))


def test_a_method_of_tiles_needs_tiles() -> None:
    with pytest.raises(InvalidInput, match=r"'clahe' needs the input tiles, from common\.tile_histograms"):
        run_blocks(normalize, {"image": texture()}, SHAPE, frame_of(SHAPE), method="clahe", **RANGE)


@pytest.mark.parametrize("other", [{"tile_um": 9.0}, {"low": 1.0}, {"high": 250.0}])
@pytest.mark.parametrize("method", ["clahe", "subtract", "divide"])
def test_tiles_of_another_size_or_range_are_refused(tmp_path: Path, method: str, other: dict[str, float]) -> None:
    image, frame = {"image": texture()}, frame_of(SHAPE)
    settings = {"tile_um": 8.0, **RANGE}
    found = run_blocks(tile_histograms, image, SHAPE, frame, **{**settings, **other})
    tiles = as_file(tmp_path / "tiles.parquet", found["tiles"], TILES.columns)
    with pytest.raises(InvalidInput, match=r"expected edge_z 8, .* low 0, high 255: give the tiles"):
        run_blocks(normalize, image, SHAPE, frame, tiles=tiles, method=method, **settings)


def test_the_block_runner_agrees() -> None:
    report = check_invariance(
        "common.tile_histograms", {"image": texture(), "tile_um": 8.0, **RANGE}, voxel_size_nm=(1000, 1000, 1000)
    )
    assert report.is_consistent, report.differences


@pytest.mark.parametrize("with_background", [True, False])
def test_dark_surroundings_of_tissue_have_no_data(with_background: bool) -> None:
    light = np.full(SHAPE, 10.0)
    light[:, :20] = 200
    image = light + np.random.default_rng(2).normal(0, 5, SHAPE)
    volumes = {"image": image, **({"background": light} if with_background else {})}
    options = {"smoothing_um": 1.0, "min_light": 50.0}
    whole = run_blocks(ratio, volumes, SHAPE, frame_of(SHAPE), **options)
    assert np.isnan(whole["result"][:, 24:]).all()
    assert np.isfinite(whole["result"][:, :17]).all()
    np.testing.assert_array_equal(whole["tissue"] == TISSUE, np.isfinite(whole["result"]))
    for block in ((13, 20, 19), (9, 14, 13)):
        again = run_blocks(ratio, volumes, block, frame_of(SHAPE), **options)
        for name, found in whole.items():
            np.testing.assert_array_equal(again[name], found)
    everything = run_blocks(ratio, volumes, SHAPE, frame_of(SHAPE), smoothing_um=1.0)
    assert np.isfinite(everything["result"]).all()
    assert (everything["tissue"] == TISSUE).all()


def test_bridged_sections_of_the_tissue_map_stay_where_there_is_light() -> None:
    light = np.full((6, 8, 40), 200.0)
    light[:, :, 20:] = 10
    tissue = np.full(light.shape, TISSUE, np.uint8)
    tissue[2], tissue[:, :3] = BRIDGED, NO_DATA
    volumes = {"image": light, "tissue": tissue}
    found = run_blocks(ratio, volumes, light.shape, frame_of(light.shape), smoothing_um=1.0, min_light=50.0)["tissue"]
    np.testing.assert_array_equal(found[:, :, :16], tissue[:, :, :16])
    assert (found[:, :, 24:] == NO_DATA).all()
