from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.cli.main import main
from voxome.errors import InvalidInput

RAW = np.random.default_rng(3).normal(size=(10, 12, 14)).astype(np.float32)


def scaled(low: float, high: float) -> np.ndarray:
    return np.clip(np.rint(255 * (RAW.astype(float) - low) / (high - low)), 0, 255)


def test_a_volume_is_converted_with_a_window_and_keeps_its_place(tmp_path: Path) -> None:
    spec = voxome.VolumeSpec.of(RAW.shape, "float32", start=(5, 0, 0), voxel_size_nm=(40, 4, 4), offset_nm=(1, 2, 3))
    voxome.create(f"zarr://{tmp_path}/raw.zarr", spec)[:] = RAW
    voxome.convert(f"{tmp_path}/raw.zarr", f"zarr://{tmp_path}/a.zarr", window="-1:2", state=tmp_path / "state")
    result = voxome.open(f"{tmp_path}/a.zarr", expect=voxome.Volume)
    assert np.array_equal(result[:], scaled(-1, 2))
    assert result.domain == spec.domain
    assert (result.voxel_size_nm, result.spec.offset_nm) == (spec.voxel_size_nm, spec.offset_nm)


def test_an_array_is_converted_by_percentiles() -> None:
    voxome.convert(RAW, "memory://converted", window="0%:100%")
    result = voxome.open("memory://converted", expect=voxome.Volume)[:]
    assert np.array_equal(result, scaled(float(RAW.min()), float(RAW.max())))


def test_the_command_reports_the_values_of_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOXOME_STATE", str(tmp_path / "state"))
    np.save("raw.npy", RAW)
    with pytest.raises(SystemExit) as ended:
        main(["convert", "raw.npy", "npy://a.npy", "--dtype", "uint8", "--window", "0.5%:99.5%", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert not ended.value.code
    low, high = (float(end) for end in report["source"].partition("window=")[2].split(":"))
    assert np.allclose((low, high), np.percentile(RAW, (0.5, 99.5)))
    assert np.array_equal(np.load("a.npy"), scaled(low, high))


def test_a_window_is_needed_unless_the_voxels_are_booleans() -> None:
    with pytest.raises(InvalidInput, match="needs the values that become 0"):
        voxome.convert(RAW, "memory://without-window")
    voxome.convert(RAW > 0, "memory://from-booleans")
    assert np.array_equal(voxome.open("memory://from-booleans", expect=voxome.Volume)[:], np.where(RAW > 0, 255, 0))


def test_reversed_axes_are_refused_where_they_cannot_be_stored(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/raw.zarr", voxome.VolumeSpec.of(RAW.shape, "float32"))[:] = RAW
    seen = voxome.array(f"zarr://{tmp_path}/raw.zarr", axis_order="XYZ")
    with pytest.raises(InvalidInput, match="axes are x/y/z"):
        voxome.convert(seen, f"zarr://{tmp_path}/a.zarr", window="-1:2", state=tmp_path / "state")
