"""Arrays and pyramids found in groups and folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import zarr
from remotes.zarr.stores import at

from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    NotFound,
    UnsupportedFormat,
)
from voxome.remotes.zarr.remote import ZarrRemote


def test_opening_a_group_lists_its_arrays(tmp_path: Path) -> None:
    for name in ("raw", "deep/labels"):
        zarr.create_array(tmp_path / "g" / name, shape=(4,), dtype="u1")
    zarr.create_group(tmp_path / "g")
    with pytest.raises(UnsupportedFormat, match="deep/labels, raw"):
        ZarrRemote().open(at(tmp_path / "g"))
    assert [info.uri for info in ZarrRemote().list(at(tmp_path / "g"))] == [
        f"zarr://{tmp_path}/g/deep/labels",
        f"zarr://{tmp_path}/g/raw",
    ]
    assert ZarrRemote().open(at(tmp_path / "g" / "raw")).spec.axes == ("x",)


def test_a_plain_folder_of_arrays_names_them(tmp_path: Path) -> None:
    ZarrRemote().create(at(tmp_path / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    with pytest.raises(NotFound, match="em"):
        ZarrRemote().open(at(tmp_path))


def test_a_pyramid_is_listed_once_with_its_labels(tmp_path: Path) -> None:
    created = ZarrRemote().create(at(tmp_path / "em"), VolumeSpec.of((4, 4, 4), "uint8"))
    created.create_level((2, 2, 2))  # type: ignore[attr-defined]
    zarr.create_array(tmp_path / "em" / "labels" / "cells", shape=(4,), dtype="u1")
    zarr.create_array(tmp_path / "em" / "words", shape=(4,), dtype="S3", zarr_format=2)
    found = {info.uri.removeprefix(f"zarr://{tmp_path}/"): info.description for info in ZarrRemote().list(at(tmp_path))}
    assert sorted(found) == ["em", "em/labels/cells", "em/words"]
    assert found["em"] == "uint8 4,4,4"
    assert "S3" in found["em/words"]
    with pytest.raises(NotFound):
        list(ZarrRemote().list(at(tmp_path / "none")))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("format", [2, 3])
def test_consolidated_metadata_list_pyramids_behind_http(
    tmp_path: Path, serve: Callable[..., str], format: int
) -> None:
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=format)  # type: ignore[arg-type]
    spec = VolumeSpec.of((8, 8, 8), "uint8", voxel_size_nm=(4, 4, 4), encoding={"format": f"zarr{format}"})
    for name in ("em/raw", "seg"):
        ZarrRemote().create(at(tmp_path / "a.zarr" / name), spec).create_level((2, 2, 2))  # type: ignore[attr-defined]
    root.create_array("plain", shape=(4, 4), dtype="uint8")
    zarr.create_group(tmp_path / "a.zarr" / "seg" / "labels", zarr_format=format)  # type: ignore[arg-type]
    zarr.create_array(tmp_path / "a.zarr" / "seg" / "labels" / "cells", shape=(4, 4), dtype="uint8", zarr_format=format)  # type: ignore[arg-type]
    zarr.consolidate_metadata(tmp_path / "a.zarr", zarr_format=format)  # type: ignore[arg-type]
    address = f"{serve(tmp_path)}/a.zarr"
    found = [info.uri.removeprefix(f"zarr://{address}/") for info in ZarrRemote().list(at(address))]
    assert found == ["em/raw", "plain", "seg", "seg/labels/cells"]


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("http", [False, True])
def test_arrays_beside_a_level_that_lies_deeper_are_listed(
    tmp_path: Path, serve: Callable[..., str], http: bool
) -> None:
    datasets = [
        {"path": f"s{n}/data", "coordinateTransformations": [{"type": "scale", "scale": [2.0**n] * 3}]} for n in (0, 1)
    ]
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    attributes = {"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}}
    for name in ("", "em", "em/s0", "em/s1"):
        zarr.create_group(tmp_path / "a.zarr" / name, attributes=attributes if name == "em" else {})
    for name in ("s0/data", "s0/mask", "s1/data", "s10"):
        zarr.create_array(tmp_path / "a.zarr" / "em" / name, shape=(4, 4, 4), dtype="u1")
    zarr.consolidate_metadata(str(tmp_path / "a.zarr"))
    root = f"{serve(tmp_path)}/a.zarr" if http else str(tmp_path / "a.zarr")
    names = [info.uri.removeprefix(f"zarr://{root}/") for info in ZarrRemote().list(at(root))]
    assert names == ["em", "em/s0/mask", "em/s10"]
