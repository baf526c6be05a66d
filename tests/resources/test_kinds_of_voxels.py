"""Labels are integers that are never scaled, and an image has no labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidInput, UnsupportedFormat

SPEC = voxome.VolumeSpec.of((4, 8, 8), "uint64", kind="labels")


@pytest.fixture
def labels(tmp_path: Path) -> str:
    voxome.create(f"zarr://{tmp_path}/labels.zarr", SPEC)[...] = 70_000
    return f"zarr://{tmp_path}/labels.zarr"


@pytest.mark.parametrize(
    "use",
    [
        lambda uri: voxome.convert(uri, "memory://converted", window="0:255"),
        lambda uri: voxome.convert(uri, "memory://converted"),
        lambda uri: voxome.convert(voxome.open(uri), "memory://converted", window="1%:99%"),
        lambda uri: voxome.open(f"{uri}?window=0:255"),
        lambda uri: voxome.open(f"{uri}?window=1%:99%"),
        lambda uri: voxome.open(f"{uri}?dtype=uint16&window=0:255"),
    ],
)
def test_labels_have_no_window(labels: str, use: Callable[[str], object]) -> None:
    with pytest.raises(InvalidInput, match=r"labels\.zarr contains labels, .*voxome transfer"):
        use(labels)


def test_integer_arrays_and_masks_may_have_a_window(tmp_path: Path) -> None:
    voxome.convert(np.arange(60, dtype=np.int16).reshape(3, 4, 5), f"zarr://{tmp_path}/a.zarr", window="0:59")
    voxome.create(f"zarr://{tmp_path}/mask.zarr", SPEC.replace(dtype="bool"))[...] = True
    voxome.convert(f"zarr://{tmp_path}/mask.zarr", f"zarr://{tmp_path}/b.zarr")
    assert (voxome.open(f"zarr://{tmp_path}/b.zarr", expect=voxome.Volume)[...] == 255).all()


@pytest.mark.parametrize("scheme", ["memory", "zarr", "hdf5", "n5"])
def test_labels_of_floats_are_not_created(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"labels of float32 are not supported; expected integers or booleans"):
        voxome.put(np.ones((4, 5, 6), np.float32), f"{scheme}://{tmp_path}/a.h5", kind="labels")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["memory", "zarr", "hdf5", "n5", "precomputed"])
@pytest.mark.parametrize("dtype", ["complex64", "M8[s]", "U4"])
def test_volumes_of_other_than_numbers_are_not_created(scheme: str, dtype: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"are not supported; expected booleans, integers or floats"):
        voxome.create(f"{scheme}://{tmp_path}/a.h5", SPEC.replace(dtype=dtype))
    assert not list(tmp_path.iterdir())


def test_a_source_of_other_than_numbers_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = voxome.create("memory://complex", SPEC.replace(dtype="uint8"))
    monkeypatch.setattr(type(volume.source), "spec", volume.spec.replace(dtype="complex64"))
    with pytest.raises(UnsupportedFormat, match=r"memory://complex: voxels of complex64 are not supported"):
        voxome.open("memory://complex")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_image_has_no_ids(dtype: str) -> None:
    volume = voxome.create(f"memory://image-{dtype}", SPEC.replace(kind="image", dtype=dtype))
    with pytest.raises(InvalidInput, match=f"is image data of {dtype}; expected a label volume"):
        volume.ids()


@pytest.mark.parametrize("scheme", ["memory", "zarr", "hdf5"])
@pytest.mark.parametrize(("dtype", "fill"), [("uint8", 300), ("uint8", 1.5), ("int16", float("nan")), ("uint8", -1)])
def test_a_fill_that_the_dtype_cannot_represent_is_refused(
    tmp_path: Path, scheme: str, dtype: str, fill: float
) -> None:
    with pytest.raises(InvalidInput, match=f"fill {fill} is not a valid {dtype}"):
        voxome.create(f"{scheme}://{tmp_path}/fill.h5", voxome.VolumeSpec.of((8, 8, 8), dtype, fill=fill))
    assert not list(tmp_path.iterdir())


def test_a_field_that_does_not_exist_is_named_with_all_that_do() -> None:
    with pytest.raises(LookupError, match=r"foo.*attributes, axes, chunk, .*start.*write_chunk"):
        voxome.VolumeSpec.of((8, 8, 8), "uint8", foo=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("suffix", "kept"), [(".tif", False), (".npy", False), (".h5", True), (".nii", True)])
def test_a_file_that_cannot_store_the_kind_is_reported(
    labels: str, tmp_path: Path, suffix: str, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    labels16 = f"zarr://{tmp_path}/labels16.zarr"
    voxome.create(labels16, SPEC.replace(dtype="uint16"))
    path = voxome.get(labels16, tmp_path / f"a{suffix}")
    assert ("cannot store the kind labels" in caplog.text) != kept
    assert (voxome.info(path)["kind"] == "labels") == kept


def test_values_that_do_not_fit_leave_the_volume_as_it_is(tmp_path: Path) -> None:
    uri = f"zarr://{tmp_path}/a.zarr"
    voxome.create(uri, SPEC.replace(kind="image", dtype="uint8"))
    with pytest.raises(InvalidInput) as error:
        voxome.put(np.full((4, 8, 8), 999, np.uint16), uri, at=(0, 0, 0))
    assert error.value.__notes__ == [
        f"{uri} is unchanged; give values that fit its dtype uint8, or write them into a new volume"
    ]
