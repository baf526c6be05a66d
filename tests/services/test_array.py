"""``voxome.array``: arguments of intern's ``array``, on stores that need no server."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import voxome
from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, ReadOnly, UnsupportedFormat
from voxome.remotes.memory import MemoryRemote
from voxome.testing.strategies import noise

SHAPE = (7, 9, 11)
TURNED = Uri.parse("memory://turned")
NEW: dict[str, Any] = {"create_new": True, "dtype": "uint8", "extents": SHAPE, "voxel_size": (40, 4, 4)}


def _created(tmp_path: Path, **changes: Any) -> voxome.Volume:
    return voxome.array(f"zarr://{tmp_path}/new.zarr", **{**NEW, **changes})


def test_a_new_volume_is_as_described(tmp_path: Path) -> None:
    volume = _created(tmp_path, description="a crop")
    assert (volume.shape, volume.dtype, volume.voxel_size_nm) == (SHAPE, np.uint8, (40, 4, 4))
    assert (volume.spec.kind, volume.spec.attributes["description"]) == ("image", "a crop")
    volume[...] = noise(SHAPE, "uint8")
    assert_array_equal(voxome.array(f"zarr://{tmp_path}/new.zarr"), noise(SHAPE, "uint8"))


@pytest.mark.parametrize(("dtype", "kind"), [("uint16", "image"), ("uint64", "labels"), ("uint32", "labels")])
def test_the_dtype_determines_whether_voxels_are_labels(tmp_path: Path, dtype: str, kind: str) -> None:
    assert _created(tmp_path, dtype=dtype).spec.kind == kind


def test_units_of_length_are_converted_and_others_refused(tmp_path: Path) -> None:
    assert _created(tmp_path, voxel_size=(2, 1, 0.5), voxel_unit="micrometers").voxel_size_nm == (2000, 1000, 500)
    with pytest.raises(InvalidInput, match="parsecs"):
        _created(tmp_path, voxel_unit="parsecs")


def test_all_missing_arguments_of_a_new_volume_are_listed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="needs extents, voxel_size"):
        voxome.array(f"zarr://{tmp_path}/new.zarr", create_new=True)


def test_arguments_of_a_new_volume_are_refused_for_an_existing_one(tmp_path: Path) -> None:
    _created(tmp_path)
    with pytest.raises(InvalidInput, match="extents, source_channel describe a new volume"):
        voxome.array(f"zarr://{tmp_path}/new.zarr", extents=SHAPE, source_channel="em")


def test_options_of_another_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="levels"):
        _created(tmp_path, downsample_levels=3)
    with pytest.raises(TypeError, match="downsample_level"):
        _created(tmp_path, downsample_level=3)


def test_a_volume_is_opened_for_writing_where_possible(tmp_path: Path) -> None:
    _created(tmp_path)[...] = 3
    voxome.array(f"zarr://{tmp_path}/new.zarr")[0] = 4
    assert int(voxome.open(f"zarr://{tmp_path}/new.zarr")[...].sum()) == 9 * 11 * (4 + 6 * 3)


def test_a_volume_is_opened_for_reading_where_writing_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(SHAPE, "uint8"), photometric="minisblack")
    volume = voxome.array(str(tmp_path / "a.tif"))
    assert_array_equal(volume, noise(SHAPE, "uint8"))
    with pytest.raises((ReadOnly, UnsupportedFormat)):
        volume[0] = 1


def test_resolution_selects_a_level(tmp_path: Path) -> None:
    volume = _created(tmp_path)
    volume.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    assert voxome.array(f"zarr://{tmp_path}/new.zarr", resolution=1).shape == (7, 5, 6)
    assert voxome.array(f"zarr://{tmp_path}/new.zarr", 1).voxel_size_nm == (40, 8, 8)
    assert voxome.array(f"zarr://{tmp_path}/new.zarr?level=1").shape == (7, 5, 6)


@pytest.mark.slow
@settings(max_examples=25)
@given(data=st.data())
def test_xyz_order_is_the_transpose(data: st.DataObject) -> None:
    if TURNED.path in {Uri.parse(info.uri).path for info in MemoryRemote().list(TURNED)}:
        MemoryRemote().delete(TURNED)
    voxome.array("memory://turned", **NEW)[...] = (expected := noise(SHAPE, "uint8").copy())
    turned = voxome.array("memory://turned", axis_order="XYZ")
    key = tuple(data.draw(st.one_of(st.integers(0, n - 1), st.slices(n))) for n in SHAPE[::-1])
    assert (turned.shape, turned.axes) == (SHAPE[::-1], ("x", "y", "z"))
    assert_array_equal(turned[key], expected.T[key])
    turned[key] = 5
    expected.T[key] = 5
    assert_array_equal(voxome.open("memory://turned"), expected)


def test_only_z_y_and_x_can_be_reversed(tmp_path: Path) -> None:
    voxome.create(f"zarr://{tmp_path}/plane", voxome.VolumeSpec.of((4, 5), "uint8"))
    with pytest.raises(UnsupportedFormat, match="axis_order='ZYX'"):
        voxome.array(f"zarr://{tmp_path}/plane", axis_order="XYZ")
    with pytest.raises(InvalidInput, match="YZX"):
        voxome.array(f"zarr://{tmp_path}/plane", axis_order="YZX")


def test_attributes_of_intern_are_there(tmp_path: Path) -> None:
    volume = _created(tmp_path)
    volume.source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    fine, coarse = (voxome.array(tmp_path / "new.zarr", number) for number in (0, 1))
    assert (fine.voxel_size, coarse.voxel_size, fine.voxel_unit) == ((40, 4, 4), (40, 8, 8), "nanometers")
    assert fine.available_resolutions == coarse.available_resolutions == [0, 1]
    assert (fine.downsample_status, fine.remote, fine.url) == ("DOWNSAMPLED", "zarr", fine.uri)
    turned = voxome.array(tmp_path / "new.zarr", axis_order="XYZ")
    assert (turned.shape, turned.voxel_size, turned.axis_order) == (SHAPE[::-1], (4, 4, 40), "XYZ")
    assert turned.available_resolutions == [0, 1]
    with pytest.raises(UnsupportedFormat, match="Neuroglancer cannot open"):
        _ = fine.visualize


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"boss_config": {"host": "localhost"}}, "VOXOME_BOSSDB_TOKEN"),
        ({"volume_provider": object()}, "the URI names the store"),
        ({"collection_desc": "old"}, r"collections\.update"),
        ({"experiment_desc": "old"}, r"experiments\.update"),
        ({"coordinate_frame_desc": "old"}, r"coordinate_frames\.update"),
    ],
)
def test_an_argument_without_effect_is_refused_with_its_equivalent(argument: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        voxome.array("memory://none", **argument)


def test_a_channel_resource_of_intern_is_refused_with_its_uri() -> None:
    channel = SimpleNamespace(coll_name="lab", exp_name="cortex", name="em")
    with pytest.raises(InvalidInput, match=r"voxome\.array\('bossdb://lab/cortex/em'\)"):
        voxome.array(channel)  # type: ignore[arg-type]


def test_lengths_in_an_index_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="indices are voxels, not nanometers"):
        _created(tmp_path)[0:400, 0:40, 0:40, "nanometers"]


def test_a_folder_of_sections_becomes_a_volume(tmp_path: Path) -> None:
    (tmp_path / "sections").mkdir()
    for z, section in enumerate(noise((3, 9, 11), "uint8")):
        tifffile.imwrite(tmp_path / "sections" / f"{z}.tif", section)
    (tmp_path / "sections" / "notes.txt").write_text("left out")
    uri = f"zarr://{tmp_path}/stack.zarr"
    volume = voxome.array.from_images(
        uri, tmp_path / "sections", "*.tif", voxel_size=(0.04, 4e-3, 4e-3), voxel_unit="micrometers"
    )
    assert volume.voxel_size == pytest.approx((40, 4, 4))
    assert_array_equal(volume, noise((3, 9, 11), "uint8"))
