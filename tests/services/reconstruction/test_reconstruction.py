"""Reconstruction of discs whose projections are known."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.errors import InvalidInput

pytest.importorskip("skimage")
pytestmark = pytest.mark.slow

absorption = import_module("voxome.services.reconstruction.absorption").absorption
find_axis = import_module("voxome.services.reconstruction.axis").find_axis
slices = import_module("voxome.services.reconstruction.slices")
centre_sinogram, reconstruct_slice = slices.centre_sinogram, slices.reconstruct_slice

MU = 0.02
DISC = (5.0, -7.0, 11.0)
"""Centre (y, x) relative to the axis, and radius."""


def sinogram(
    columns: int, axis: float, angles: NDArray[np.float64], disc: tuple[float, float, float] = DISC
) -> NDArray[Any]:
    """Return the exact projections (angles, columns) of a disc, each column the mean over its width."""
    y, x, radius = disc
    radians = np.deg2rad(angles)[:, None]
    fine = (np.arange(columns * 16) + 0.5) / 16 - 0.5 - axis
    t = fine[None, :] - (x * np.cos(radians) - y * np.sin(radians))
    chords = 2 * MU * np.sqrt(np.maximum(radius**2 - t**2, 0))
    return chords.reshape(len(angles), columns, 16).mean(axis=2).astype(np.float32)


@pytest.mark.parametrize("columns", [64, 65])
@pytest.mark.parametrize("shift", [0.0, 0.5, -2.25])
@pytest.mark.parametrize("method", ["fbp", "sart"])
def test_a_disc_is_where_it_is_and_as_dense(columns: int, shift: float, method: str) -> None:
    angles = np.arange(180) * 1.0
    axis = (columns - 1) / 2 + shift
    image = reconstruct_slice(sinogram(columns, axis, angles), angles, axis, method, 2)
    assert image.shape == (columns, columns)
    y, x = np.mgrid[:columns, :columns] - columns // 2
    near = np.hypot(y - DISC[0], x - DISC[1]) < DISC[2] + 3
    inside = np.hypot(y - DISC[0], x - DISC[1]) < DISC[2] - 2
    weights = np.where(near, np.clip(image, 0, None), 0)
    centre = [(weights * one).sum() / weights.sum() for one in (y, x)]
    np.testing.assert_allclose(centre, DISC[:2], atol=0.1)
    assert image[inside].mean() == pytest.approx(MU, rel=0.03)
    outside = ~near & (np.hypot(y, x) < columns // 2 - 3)
    assert np.abs(image[outside]).max() < 0.25 * MU


@pytest.mark.parametrize("columns", [64, 65])
@pytest.mark.parametrize("shift", [0.0, 0.5, -2.25])
@pytest.mark.parametrize("full", [True, False])
def test_the_axis_is_found(columns: int, shift: float, full: bool) -> None:
    angles = np.linspace(0, 180, 181) if full else np.arange(180) * 1.0
    axis = (columns - 1) / 2 + shift
    values = sinogram(columns, axis, angles)
    noise = np.random.default_rng(0).normal(0, 0.002, values.shape).astype(np.float32)
    assert find_axis((values + noise)[:, None, :], angles) == pytest.approx(axis, abs=0.1)


def test_the_axis_is_found_in_noise_as_strong_as_the_absorption() -> None:
    angles = np.linspace(0, 180, 91)
    values = np.repeat(sinogram(128, 60.0, angles, (9.0, -14.0, 30.0))[:, None], 16, axis=1)
    noise = np.random.default_rng(0).normal(0, np.sqrt((values**2).mean()), values.shape).astype(np.float32)
    assert find_axis(values + noise, angles) == pytest.approx(60.0, abs=0.5)


def test_an_axis_that_noise_hides_is_not_guessed() -> None:
    angles = np.linspace(0, 180, 91)
    values = np.repeat(sinogram(128, 60.0, angles, (9.0, -14.0, 30.0))[:, None], 16, axis=1)
    scale = 1.5 * np.sqrt((values**2).mean())
    found = []
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(0, scale, values.shape).astype(np.float32)
        with suppress(InvalidInput):
            found.append(find_axis(values + noise, angles))
    assert len(found) < 4
    assert found == pytest.approx([60.0] * len(found), abs=1)


def test_a_sample_beyond_the_detector_needs_a_pair() -> None:
    angles = np.arange(180) * 1.0
    wide = sinogram(64, 33.0, angles, (0.0, 2.0, 40.0))
    with pytest.raises(
        InvalidInput, match="no two projections are 180 degrees apart, and the sample is not completely"
    ):
        find_axis(wide[:, None], angles)


@pytest.mark.parametrize("axis", [0.0, 10.0, 31.5, 40.25, 63.0])
def test_nothing_is_rolled_or_cut(axis: float) -> None:
    row = np.linspace(1, 2, 64, dtype=np.float32)[None]
    wide = centre_sinogram(row, axis)
    middle = wide.shape[1] // 2
    assert wide.shape[1] % 2 == 1
    columns = np.arange(wide.shape[1]) - middle + axis
    inner = (columns > 4) & (columns < 59)
    np.testing.assert_allclose(wide[0, inner], np.interp(columns[inner], np.arange(64), row[0]), atol=2e-3)
    assert columns[0] <= 0
    assert columns[-1] >= 63
    assert (wide[0, columns < 0] < 1.02).all()
    assert (wide[0, columns > 63] > 1.98).all()


def intensities(values: NDArray[Any], counts: float = 20000.0) -> NDArray[np.uint16]:
    return np.rint(np.exp(-values) * counts + 100).astype(np.uint16)


def test_fields_give_absorption_and_unsigned_integers_do_not_wrap() -> None:
    values = sinogram(64, 31.5, np.arange(90) * 2.0)[:, None]
    raw = intensities(values)
    flats, darks = np.full((4, 1, 64), 20100, np.uint16), np.full((3, 1, 64), 100, np.uint16)
    found = absorption(raw, flats, darks)
    np.testing.assert_allclose(found.values, values, atol=1e-4)
    raw[7, 0, 30], raw[8, 0, 31] = 100, 20  # as dark as the dark field, and darker
    found = absorption(raw, flats, darks)
    assert found.dark_values == 2
    assert np.isfinite(found.values).all()
    np.testing.assert_allclose(found.values, values, atol=0.02)


def test_more_light_than_in_the_flat_field_is_negative_absorption() -> None:
    raw = np.random.default_rng(0).normal(1000, 30, (20, 2, 32)).astype(np.float32)
    found = absorption(raw, np.full((1, 2, 32), 1000, np.uint16))
    assert found.values.min() < -0.02
    assert abs(found.values.mean()) < 0.01
    assert not found.dead.any()


def test_dead_columns_are_named_and_leave_no_ring(tmp_path: Path) -> None:
    angles = np.arange(180) * 1.0
    rng = np.random.default_rng(1)
    values = np.stack([sinogram(64, 31.5, angles)] * 3, axis=1)
    raw = intensities(values + rng.normal(0, 0.004, values.shape).astype(np.float32))
    flats, darks = np.full((2, 3, 64), 20100, np.uint16), np.full((2, 3, 64), 100, np.uint16)
    clean = voxome.reconstruct(raw, f"zarr://{tmp_path}/clean.zarr", flats, darks, axis=31.5, pixel_size_nm=650.0)
    assert (clean.dead_pixels, clean.dark_values) == ([], 0)
    flats[:, :, 20] = 100
    raw[:, 1, 41] = 20100
    found = voxome.reconstruct(raw, f"zarr://{tmp_path}/dead.zarr", flats, darks, axis=31.5, pixel_size_nm=650.0)
    assert found.dead_pixels == [(0, 20), (1, 20), (1, 41), (2, 20)]
    one, other = (np.asarray(voxome.open(f"{tmp_path}/{name}.zarr")[:]) for name in ("clean", "dead"))
    assert np.isfinite(other).all()
    y, x = np.mgrid[:64, :64] - 32
    flat = (np.hypot(y - DISC[0], x - DISC[1]) > DISC[2] + 4) & (np.hypot(y, x) < 29)
    assert other[:, flat].std() < 1.5 * one[:, flat].std()


def test_slabs_do_not_show_and_the_axis_is_found_after_the_logarithm(tmp_path: Path) -> None:
    angles = np.linspace(0, 180, 91)
    discs = [(5.0, -7.0 + row, 8.0) for row in range(5)]
    values = np.stack([sinogram(48, 22.25, angles, disc) for disc in discs], axis=1)
    flat = (20000 * (1 + 0.3 * np.sin(np.arange(48) / 3)))[None, None].repeat(5, axis=1)  # a beam that is not even
    raw = np.rint(np.exp(-values) * flat).astype(np.uint16)
    results = []
    for slab in (1, 2, 64):
        out = f"zarr://{tmp_path}/{slab}.zarr"
        found = voxome.reconstruct(raw, out, np.rint(flat), angles_deg=angles, pixel_size_nm=650.0, slab=slab)
        assert found.axis == pytest.approx(22.25, abs=0.1)
        results.append(np.asarray(voxome.open(out)[:]))
    assert voxome.open(out).voxel_size_nm == (650.0, 650.0, 650.0)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_a_reconstruction_that_fails_leaves_no_volume(tmp_path: Path) -> None:
    raw = intensities(np.stack([sinogram(32, 15.5, np.arange(60) * 3.0, (2.0, 3.0, 6.0))] * 40, axis=1))
    angles = np.arange(60) * 3.0
    flats = np.full((1, 40, 32), 20100, np.uint16)
    flats[:, 33] = 0
    with pytest.raises(InvalidInput, match="Detector row 33 has no usable pixel") as failed:
        voxome.reconstruct(raw, f"zarr://{tmp_path}/out.zarr", flats, axis=15.5, angles_deg=angles, pixel_size_nm=1.0)
    assert "was removed" in failed.value.__notes__[0]
    assert not (tmp_path / "out.zarr").exists()
    raw[7, 35] = 0
    with pytest.raises(InvalidInput, match=r"Projection 7 has no value.*in detector row 35; leave"):
        voxome.reconstruct(
            raw, f"zarr://{tmp_path}/out.zarr", np.maximum(flats, 20100), axis=15.5, angles_deg=angles, pixel_size_nm=1
        )


@pytest.mark.parametrize("shape", [(1, 3, 32), (1, 1, 32), (2, 32)])
@pytest.mark.parametrize("name", ["flats", "darks"])
def test_fields_of_another_detector_are_refused(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    raw = np.full((20, 2, 32), 500, np.uint16)
    fields = {"flats": np.full((1, 2, 32), 900, np.uint16), name: np.full(shape, 100, np.uint16)}
    with pytest.raises(InvalidInput, match=rf"{name} have the shape {re.escape(str(shape))}.*projections, \(2, 32\)"):
        voxome.reconstruct(raw, f"zarr://{tmp_path}/out.zarr", **fields, pixel_size_nm=1.0)


def test_projections_need_three_axes(tmp_path: Path) -> None:
    raw = np.full((20, 32), 500, np.uint16)
    with pytest.raises(InvalidInput, match=r"projections have the shape \(20, 32\); expected \(angles, rows, columns"):
        voxome.reconstruct(raw, f"zarr://{tmp_path}/out.zarr", raw[None], pixel_size_nm=1.0)


def test_fields_without_beam_and_wrong_shapes_are_refused(tmp_path: Path) -> None:
    raw = np.full((20, 2, 32), 500, np.uint16)
    dark = np.full((1, 2, 32), 100, np.uint16)
    with pytest.raises(InvalidInput, match=r"Detector row 0 has no usable pixel.*taken with the beam on"):
        absorption(raw, dark, dark)
    with pytest.raises(InvalidInput, match=r"flats have the shape \(1, 2, 31\)"):
        absorption(raw, dark[:, :, 1:], dark)
    with pytest.raises(InvalidInput, match="19 angles for 20 projections"):
        voxome.reconstruct(raw, "zarr://x.zarr", dark, angles_deg=range(19), pixel_size_nm=1.0)
    with pytest.raises(InvalidInput, match=r"from 0 to 95 degrees in steps of 5 to 5; fbp"):
        voxome.reconstruct(raw, "zarr://x.zarr", dark, angles_deg=np.arange(20) * 5.0, pixel_size_nm=1.0)
    for uneven in (np.arange(20) ** 1.5, np.arange(20) * 5.0):
        with pytest.raises(InvalidInput, match=r"equal steps over 180 or 360 degrees: use the method sart"):
            voxome.reconstruct(raw, "zarr://x.zarr", dark, angles_deg=uneven, pixel_size_nm=1.0)
    with pytest.raises(InvalidInput, match="Unknown method 'fpb'"):
        voxome.reconstruct(raw, "zarr://x.zarr", dark, method="fpb", pixel_size_nm=1.0)
    with pytest.raises(InvalidInput, match="axis is 40; expected a column"):
        voxome.reconstruct(raw, "zarr://x.zarr", dark, axis=40, pixel_size_nm=1.0)


@pytest.mark.parametrize("axis", [8.0, 12.0, 52.5])
def test_an_axis_near_a_side_is_not_guessed(axis: float) -> None:
    angles = np.linspace(0, 180, 61)
    with pytest.raises(InvalidInput, match=r"no mirror images of each other at any column from 13 to 50"):
        find_axis(sinogram(64, axis, angles, (2.0, -3.0, 6.0))[:, None], angles)


def test_projections_over_360_degrees_are_not_taken_for_180() -> None:
    raw = intensities(sinogram(64, 31.5, np.arange(90) * 4.0)[:, None])
    flats = np.full((1, 1, 64), 20100, np.uint16)
    with pytest.raises(InvalidInput, match=r"centre of mass .* columns away from a sine.*correct angles_deg"):
        voxome.reconstruct(raw, "zarr://x.zarr", flats, pixel_size_nm=1.0)
    with pytest.raises(InvalidInput, match=r"360 degrees apart, not 180.*give angles_deg"):
        voxome.reconstruct(raw, "zarr://x.zarr", flats, axis=31.5, pixel_size_nm=1.0)


@pytest.mark.parametrize("method", ["fbp", "sart"])
def test_radians_are_refused(method: str) -> None:
    raw, flats = np.full((20, 1, 32), 500, np.uint16), np.full((1, 1, 32), 600, np.uint16)
    angles = np.arange(20) * np.pi / 20
    with pytest.raises(InvalidInput, match=r"from 0 to 2\.98451; expected degrees"):
        voxome.reconstruct(raw, "zarr://x.zarr", flats, angles_deg=angles, method=method, pixel_size_nm=1.0)


@pytest.mark.parametrize("axis", [10.0, 52.5])
def test_a_full_turn_completes_projections_of_a_sample_beyond_the_detector(axis: float) -> None:
    angles = np.arange(180) * 2.0
    image = reconstruct_slice(sinogram(64, axis, angles, (3.0, 5.0, 36.0)), angles, axis, "fbp", 1)
    y, x = np.mgrid[:64, :64] - 32
    inside = (np.hypot(y - 3, x - 5) < 33) & (np.hypot(y, x) < 31)
    np.testing.assert_allclose(image[inside] / MU, 1, atol=0.1)
    assert image[inside].mean() == pytest.approx(MU, rel=0.02)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_do_not_spread(value: float) -> None:
    values = sinogram(64, 31.5, np.arange(90) * 2.0)[:, None]
    raw, flats = np.exp(-values) * 20000, np.full((1, 1, 64), 20000.0)
    raw[7, 0, 30] = flats[0, 0, 31] = value
    found = absorption(raw, flats)
    assert (found.dark_values, np.argwhere(found.dead).tolist()) == (1, [[0, 31]])
    np.testing.assert_allclose(found.values, values, atol=0.02)
