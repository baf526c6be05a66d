"""Local contrast: the same for any dtype, blocks and padding; rims, gaps, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from tools.common.blockwise import frame_of, run_blocks

from voxome.contracts.frame import Frame
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.tools.common.contrast.tile_sums import read_sums
from voxome.tools.common.density.grid import DensityGrid
from voxome.tools.common.local_contrast import local_contrast
from voxome.tools.common.tile_moments import tile_moments

SHAPE = (22, 34, 37)
OPTIONS: dict[str, Any] = {
    "polarity": "dark", "tile_um": 5.0, "background_um": 6.0, "smoothing_um": 1.0, "low": 0.3, "high": 2.0
}  # fmt: skip


def tissue_with_cells(shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    """Grey tissue with noise and dark balls."""
    rng = np.random.default_rng(4)
    balls = np.zeros(shape)
    balls[tuple(rng.integers(2, n - 2, 8) for n in shape)] = 1
    dark = ndimage.distance_transform_edt(balls == 0) < 4
    grey = 150 - 60 * dark + rng.normal(0, 8, shape)
    return grey.clip(0, 255).astype(np.uint8)


def run(
    image: NDArray[Any], block: tuple[int, ...] = SHAPE, *, frame: Frame | None = None,
    others: dict[str, NDArray[Any]] | None = None, **options: Any,
) -> NDArray[np.uint8]:  # fmt: skip
    frame = frame_of(image.shape) if frame is None else frame
    values, z, y, x = {**OPTIONS, **options}, *block
    volumes = {"image": image, **({} if others is None else others)}
    summed = {name: volumes[name] for name in ("image", "tissue") if name in volumes}
    tiles = {name: values.get(name) for name in ("tile_um", "tile_z_um")}
    moments = run_blocks(tile_moments, summed, (z, y, x), frame, **tiles)["moments"]
    return np.asarray(run_blocks(local_contrast, volumes, (z, y, x), frame, moments=moments, **values)["probability"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rim_um": 2.0, "low": 1.0},
        {"unit": "mean", "low": 0.1, "high": 0.4},
        {"tile_z_um": 1.0, "background_z_um": 1.0},
    ],
)
def test_blocks_do_not_show(options: dict[str, Any]) -> None:
    image = tissue_with_cells()
    exclude = (np.indices(SHAPE).sum(axis=0) % 29 == 0).astype(np.uint8)
    whole = run(image, others={"exclude": exclude}, exclude_um=1.5, **options)
    assert 0.02 < (whole > 0).mean() < 0.9
    for block in ((11, 17, 19), (7, 12, 13), (22, 5, 40)):
        found = run(image, block, others={"exclude": exclude}, exclude_um=1.5, **options)
        np.testing.assert_array_equal(found, whole)


@pytest.mark.slow
def test_the_dtype_does_not_matter() -> None:
    image = tissue_with_cells()
    whole = run(image)
    assert whole.max() == 255
    for dtype in ("uint16", "int16", "float32", "float64"):
        np.testing.assert_array_equal(run(image.astype(dtype)), whole)


@pytest.mark.parametrize(("dtype", "offset"), [("uint16", 32_768), ("int16", -30_000)])
def test_the_offset_of_integers_does_not_matter(dtype: str, offset: int) -> None:
    image = tissue_with_cells()
    moved = (image.astype(np.int64) // 4 + offset).astype(dtype)
    found = run(moved).astype(int)
    assert np.abs(found - run(image // 4)).max() <= 2
    assert found.max() == 255


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1 / 255, 1e-5, 1e4, -1.0])
def test_the_scale_of_floats_does_not_matter(scale: float) -> None:
    image = tissue_with_cells()
    polarity = "dark" if scale > 0 else "bright"
    for dtype in ("float32", "float64"):
        found = run((image * np.float64(scale)).astype(dtype), (13, 20, 20), polarity=polarity)
        assert np.abs(found.astype(int) - run(image)).max() <= 1


@pytest.mark.slow
def test_padding_changes_no_voxel() -> None:
    image = tissue_with_cells()
    whole = run(image)
    for width in (1, 9):
        frame = frame_of(tuple(n + 2 * width for n in SHAPE), start=(3 - width, -5 - width, 7 - width))
        known = np.pad(np.ones(SHAPE, np.uint8), width)
        padded = np.pad(image, width, constant_values=255)
        found = run(padded, (13, 40, 20), frame=frame, others={"tissue": known})
        assert not found[known == 0].any()
        np.testing.assert_array_equal(found[(slice(width, -width),) * 3], whole)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 7, 9])
def test_padding_changes_no_voxel_if_the_offset_takes_it_into_account(width: int) -> None:
    image, size = tissue_with_cells(), (1000.0, 1000.0, 1000.0)
    domain = Box.of_shape(SHAPE)
    offset = (3000.0, -5000.0, 7400.0)
    whole = run(image, frame=Frame(domain, domain, size, offset))
    padded, known = np.pad(image, width, constant_values=255), np.pad(np.ones(SHAPE, np.uint8), width)
    domain = Box.of_shape(padded.shape)
    frame = Frame(domain, domain, size, (3000.0 - width * 1000, -5000.0 - width * 1000, 7400.0 - width * 1000))
    found = run(padded, (13, 40, 20), frame=frame, others={"tissue": known})
    np.testing.assert_array_equal(found[(slice(width, -width),) * 3], whole)


@pytest.mark.slow
def test_padding_of_an_unknown_width_changes_probabilities_by_a_tenth_at_most() -> None:
    image = tissue_with_cells()
    options = {"tile_um": 5.0, "background_um": 6.5}  # as 10 and 13 micrometres in voxels of 0.65, in proportion
    whole = run(image, **options)
    for width in (1, 2, 3, 4, 7):
        padded, known = np.pad(image, width), np.pad(np.ones(SHAPE, np.uint8), width)
        frame = frame_of(padded.shape)
        found = run(padded, frame=frame, others={"tissue": known}, **options)[(slice(width, -width),) * 3]
        assert 0 < np.abs(found.astype(int) - whole).max() <= 26


def test_dark_cells_are_found_by_the_dark_polarity_only() -> None:
    image = np.full(SHAPE, 150, np.uint8)
    image[8:14, 14:20, 14:20] = 90
    dark = run(image)
    assert dark[11, 17, 17] == 255
    assert run(255 - image, polarity="bright")[11, 17, 17] == 255
    assert run(image, polarity="bright")[11, 17, 17] == 0


@pytest.mark.parametrize(("smoothing_um", "window_um"), [(0.0, 0.1), (0.65, 0.65), (1.0, 1.0)])
def test_a_window_of_one_section_does_not_see_how_bright_sections_are(smoothing_um: float, window_um: float) -> None:
    image = tissue_with_cells().clip(40, 200)
    offsets = np.random.default_rng(0).choice([-30, 0, 30], SHAPE[0])
    banded = image + offsets[:, None, None]
    thin = {"tile_z_um": 1.0, "background_z_um": window_um, "smoothing_um": smoothing_um}
    found = run(image, **thin)
    assert 0.02 < (found > 0).mean() < 0.9
    changes = [np.abs(run(banded.astype(np.uint8), **thin) - found.astype(float))]
    wide = [run(one.astype(np.uint8), smoothing_um=smoothing_um).astype(float) for one in (image, banded)]
    changes.append(np.abs(wide[1] - wide[0]))
    assert changes[0].mean() < changes[1].mean() / 4


def test_a_constant_volume_has_no_cells() -> None:
    for unit in ("deviation", "mean"):
        assert not run(np.full(SHAPE, 150, np.uint8), unit=unit).any()
    assert not run(tissue_with_cells(), others={"tissue": np.zeros(SHAPE, np.uint8)}).any()


def test_missing_sections_are_interpolated_if_they_are_few() -> None:
    image = np.full(SHAPE, 150, np.uint8)
    image[6:16, 12:22, 12:22] = 90
    tissue = np.ones(SHAPE, np.uint8)
    image[10], tissue[10] = 0, 2
    image[3], tissue[3] = 0, 0
    found = run(image, others={"tissue": tissue})
    assert found[10, 17, 17] == 255
    assert found[10, 2, 2] == 0
    assert not found[3].any()


def test_a_rim_has_half_the_contrast() -> None:
    image = np.full(SHAPE, 150, np.uint8)
    image[8:14, 10:24, 10:24] = 110
    image[8:14, 12:22, 12:22] = 70
    options = {"unit": "mean", "low": 0.4, "high": 0.48, "background_um": 30.0, "smoothing_um": 0.0}
    assert run(image, **options)[11, 17, 11] == 0
    found = run(image, rim_um=2.0, **options)
    assert found[11, 17, 11] == 128
    assert found[11, 17, 9] == 0


@pytest.mark.slow
@pytest.mark.parametrize("radius", [4.5, 6.0])
@pytest.mark.parametrize("size_nm", [(1000.0, 1000.0, 1000.0), (2000.0, 1000.0, 1000.0)])
def test_smoothing_makes_no_vessel_narrower(radius: float, size_nm: tuple[float, float, float]) -> None:
    shape = (round(40_000 / size_nm[0]), 48, 40)
    z, _, x = np.indices(shape)
    away = np.hypot(z * size_nm[0] / 1000 - 19.7, x - 19.4)
    share = np.clip(0.5 + (radius - away) * 1000 / size_nm[0], 0, 1)
    image = np.rint(100 * ndimage.gaussian_filter(157 - 103 * share, [600 / n for n in size_nm])).astype(np.uint16)
    mean = image.mean() / 100
    middle = 2 * (mean - (157 + 54) / 2) / mean
    domain = Box.of_shape(shape)
    found = run(
        image, shape, frame=Frame(domain, domain, size_nm, (0.0, 0.0, 0.0)), unit="mean",
        low=middle - 0.02, high=middle + 0.02, background_um=400.0, tile_um=10.0, smoothing_um=1.0, rim_um=8.0,
    )  # fmt: skip
    area = (found[:, 24] >= 128).sum() * size_nm[0] / 1000
    assert area == pytest.approx(np.pi * radius**2, rel=0.045)


def test_a_probability_takes_the_place_of_the_contrast() -> None:
    given = np.full(SHAPE, 77, np.uint8)
    exclude = np.zeros(SHAPE, np.uint8)
    exclude[11, 17, 17] = 255
    found = run(tissue_with_cells(), others={"probability": given, "exclude": exclude}, exclude_um=1.0)
    assert (found == 0).sum() == 7
    assert np.unique(found).tolist() == [0, 77]


@pytest.mark.parametrize("block", [SHAPE, (7, 12, 13)])
def test_what_is_excluded_has_no_part_in_moments(block: tuple[int, int, int]) -> None:
    image, frame = tissue_with_cells(), frame_of(SHAPE)
    exclude = np.where(image < 120, 7, 0).astype(np.uint8)
    near = ndimage.distance_transform_edt(exclude == 0) <= 2
    volumes = {"image": image, "exclude": exclude}
    moments = run_blocks(tile_moments, volumes, block, frame, tile_um=5.0, exclude_um=2.0)["moments"]
    without = {"image": image, "tissue": np.where(near, 0, 1).astype(np.uint8)}
    others = run_blocks(tile_moments, without, SHAPE, frame, tile_um=5.0)["moments"]
    grid = DensityGrid((5, 5, 5), frame)
    found, expected = (read_sums(one, grid, frame.box.coarsen(grid.factors)) for one in (moments, others))
    np.testing.assert_array_equal(found, expected)
    assert found[0].sum() == (~near).sum() < image.size


def test_a_cell_has_the_same_contrast_among_few_and_many_others_once_these_are_excluded() -> None:
    options: dict[str, Any] = {"polarity": "bright", "unit": "mean", "low": 0.4, "high": 0.9, "smoothing_um": 0.5}
    faint = {}
    for count in (0, 60):
        rng = np.random.default_rng(2)
        balls = np.zeros(SHAPE)
        balls[tuple(rng.integers(0, n, count) for n in SHAPE)] = 1
        balls[6:16, 12:22, 12:24] = 0
        bright = ndimage.distance_transform_edt(balls == 0) <= 3 if count else np.zeros(SHAPE, bool)
        image = np.where(bright, 600, 200).astype(np.uint16)
        image[9:13, 15:19, 16:20] = 350  # 0.75 times as much as the background
        first = run(image, **options)
        frame = frame_of(SHAPE)
        volumes = {"image": image, "exclude": first}
        moments = run_blocks(tile_moments, volumes, SHAPE, frame, tile_um=5.0, exclude_um=2.0)["moments"]
        values = {**OPTIONS, **options}
        second = run_blocks(local_contrast, {"image": image}, SHAPE, frame, moments=moments, **values)["probability"]
        faint[count] = [int(one[11, 17, 18]) for one in (first, second)]
    first_change, second_change = (faint[0][i] - faint[60][i] for i in range(2))
    assert first_change > 100
    assert abs(second_change) < 25  # 0.05 of the background


def test_moments_of_other_tiles_are_refused() -> None:
    image, frame = tissue_with_cells(), frame_of(SHAPE)
    moments = run_blocks(tile_moments, {"image": image}, SHAPE, frame, tile_um=4.0)["moments"]
    with pytest.raises(InvalidInput, match=r"edge_z 4, .*expected edge_z 5, .*with the same tile_um"):
        run_blocks(local_contrast, {"image": image}, SHAPE, frame, moments=moments, **OPTIONS)


def test_moments_of_a_volume_of_other_indices_are_refused() -> None:
    image, frame = tissue_with_cells(), frame_of(SHAPE)
    moments = run_blocks(tile_moments, {"image": image}, SHAPE, frame, tile_um=5.0)["moments"]
    moved = replace(frame, offset_nm=(-2000.0, 0.0, 0.0))
    with pytest.raises(InvalidInput, match=r"zero_z 0, .*expected .*zero_z 2, .*of the same volume"):
        run_blocks(local_contrast, {"image": image}, SHAPE, moved, moments=moments, **OPTIONS)
    far = frame_of(SHAPE, start=(1000, 0, 0))
    with pytest.raises(InvalidInput, match=r"has no tiles of the voxels .*of the same volume"):
        run_blocks(local_contrast, {"image": image}, SHAPE, far, moments=moments, **OPTIONS)


@pytest.mark.parametrize(("tile_z_um", "problems"), [(None, 1), (2.0, 1), (0.65, 0), (0.1, 0)])
def test_tiles_longer_than_the_window_along_z_are_named(tile_z_um: float | None, problems: int) -> None:
    limits = local_contrast.spec.check
    assert limits is not None
    image = {"image": VolumeSpec.of((4, 4, 4), "uint8", voxel_size_nm=(650, 650, 650))}
    settings = {"low": 1.0, "high": 2.0, "background_z_um": 0.65, "tile_um": 10.0, "tile_z_um": tile_z_um}
    found = list(limits(image, settings))
    assert len(found) == problems
    assert all("set tile_z_um=0.65" in one for one in found)


def test_wrong_inputs_are_named() -> None:
    check, limits = tile_moments.spec.check, local_contrast.spec.check
    assert check is not None
    assert limits is not None
    unknown = {"image": VolumeSpec.of((4, 4, 4), "uint8")}
    assert any("voxel size" in problem for problem in check(unknown, {}))
    wide = {"image": VolumeSpec.of((4, 4, 4), "uint32", voxel_size_nm=(1, 1, 1))}
    assert any("expected 8- or 16-bit" in problem for problem in check(wide, {}))
    sized = {"image": VolumeSpec.of((4, 4, 4), "uint8", voxel_size_nm=(1, 1, 1))}
    assert any("low < high" in problem for problem in limits(sized, {"low": 2.0, "high": 1.0, "background_z_um": None}))
    frame = frame_of((4, 4, 4))
    with pytest.raises(InvalidInput, match="floats are expected to be at most"):
        run_blocks(tile_moments, {"image": np.full((4, 4, 4), np.inf)}, (4, 4, 4), frame)
