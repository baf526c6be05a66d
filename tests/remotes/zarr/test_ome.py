"""OME-Zarr: voxel sizes, offsets and levels of multiscales."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import zarr
from numpy.testing import assert_array_equal
from remotes.zarr.stores import PLACEMENT, at, peer, write_ome

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.spec import VolumeSpec
from voxome.errors import (
    CorruptData,
    NotFound,
    UnsupportedFormat,
)
from voxome.remotes.zarr.remote import ZarrRemote
from voxome.testing.strategies import noise


def test_ome_zarr_gives_size_and_position(tmp_path: Path) -> None:
    spec = VolumeSpec.of((2, 8, 16, 32), "uint8", start=(0, 10, 0, -4), **PLACEMENT)
    source = ZarrRemote().create(at(tmp_path / "em"), spec)
    source.create_level((1, 2, 2))  # type: ignore[attr-defined]
    ome = json.loads((tmp_path / "em" / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    assert [axis["type"] for axis in ome["multiscales"][0]["axes"]] == ["channel", "space", "space", "space"]
    assert [axis.get("unit") for axis in ome["multiscales"][0]["axes"]] == [None, *["nanometer"] * 3]
    finest, coarser = ome["multiscales"][0]["datasets"]
    assert [one["path"] for one in (finest, coarser)] == ["0", "1"]
    assert finest["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 40, 4, 8]},
        {"type": "translation", "translation": [0, 800, 24, -16]},
    ]
    assert coarser["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 40, 8, 16]},
        {"type": "translation", "translation": [0, 800, 26, -12]},
    ]


def test_scales_and_translations_are_composed(tmp_path: Path) -> None:
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "xyz"]
    datasets = [
        {
            "path": f"s{n}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [2**n, 1, 2**n]},
                {"type": "translation", "translation": [(2**n - 1) / 2, 0, (2**n - 1) / 2]},
            ],
        }
        for n in range(2)
    ]
    outer = [{"type": "scale", "scale": [0.5, 2, 3]}, {"type": "translation", "translation": [10, 20, 30]}]
    write_ome(tmp_path / "a", axes, datasets, coordinateTransformations=outer)
    source = ZarrRemote().open(at(tmp_path / "a"))
    assert source.spec.axes == ("z", "y", "x")
    assert source.spec.domain.shape == (8, 10, 12)
    assert source.spec.voxel_size_nm == pytest.approx((3000, 2000, 500))
    assert source.spec.offset_nm == pytest.approx((30_000, 20_000, 10_000))
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 1, 2)]
    assert pyramid.levels[1].offset_nm == pytest.approx((31_500, 20_000, 10_250))
    coarse = pyramid.level(1)
    assert coarse.spec.voxel_size_nm == pytest.approx((6000, 2000, 1000))
    assert (coarse.read(coarse.spec.domain) == 2).all()
    assert ZarrRemote().open(at(tmp_path / "a" / "s1")).spec.offset_nm == coarse.spec.offset_nm
    with pytest.raises(NotFound, match="0 to 1"):
        pyramid.level(2)


def test_units_other_than_lengths_give_no_voxel_size(tmp_path: Path) -> None:
    axes = [{"name": n, "type": "space", "unit": "pixel"} for n in "zyx"]
    steps = [{"type": "scale", "scale": [3, 2, 2]}]
    write_ome(tmp_path / "a", axes, [{"path": "0", "coordinateTransformations": steps}])
    assert ZarrRemote().open(at(tmp_path / "a")).spec.voxel_size_nm is None


def test_a_pyramid_without_sizes_has_the_ratio_of_its_shapes(tmp_path: Path) -> None:
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], [{"path": "0"}, {"path": "1"}])
    pyramid = ability(ZarrRemote().open(at(tmp_path / "a")), SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (2, 1, 2)]


def test_label_images_are_labels(tmp_path: Path) -> None:
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], [{"path": "0"}])
    zarr.open_group(tmp_path / "a").attrs["image-label"] = {"version": "0.4"}
    assert ZarrRemote().open(at(tmp_path / "a")).spec.kind == "labels"
    assert ZarrRemote().open(at(tmp_path / "a" / "0")).spec.kind == "labels"


@pytest.mark.parametrize("change", [{"axes": [{"name": "y"}]}, {"datasets": [{}]}, {"datasets": []}])
def test_invalid_multiscales_are_corrupt(tmp_path: Path, change: dict[str, Any]) -> None:
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], [{"path": "0"}])
    group = zarr.open_group(tmp_path / "a")
    group.attrs["multiscales"] = [{**group.attrs["multiscales"][0], **change}]  # type: ignore[dict-item]
    with pytest.raises((CorruptData, UnsupportedFormat), match="a"):
        ZarrRemote().open(at(tmp_path / "a"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"type": "scale", "path": "scales"}], "its scale is in 'scales'; only numbers"),
        ([{"type": "scale", "scale": [1, 1, 1, 1, 1]}], r"scale is \[1, 1, 1, 1, 1\]; expected 3 numbers"),
        ([{"type": "scale", "scale": [40, -8, 8]}], "the scale along y is -8; expected a positive number"),
        ([{"type": "scale", "scale": [40, 8, 0]}], "the scale along x is 0; expected a positive number"),
        ([{"type": "translation", "translation": [1, "a", 1]}], "translation is .*; expected 3 numbers"),
        ([{"type": "affine", "affine": []}], "'affine'; scale and translation are read"),
        ([5], "a coordinate transformation is 5; expected an object"),
        (5, "coordinateTransformations is 5; expected a list"),
    ],
    ids=str,
)
def test_the_level_and_the_wrong_transformation_of_it_are_named(tmp_path: Path, steps: Any, message: str) -> None:
    good = [{"type": "scale", "scale": [2, 2, 2]}]
    levels = [{"path": "0", "coordinateTransformations": steps}, {"path": "1", "coordinateTransformations": good}]
    write_ome(tmp_path / "a", [{"name": n} for n in "zyx"], levels)
    with pytest.raises(CorruptData, match=f"{tmp_path}/a: the coordinate transformations of '0' .*{message}"):
        ZarrRemote().open(at(tmp_path / "a"))
    assert ZarrRemote().open_level(at(tmp_path / "a"), 1).spec.domain.shape == (6, 10, 4)


def test_axes_in_upper_case_keep_their_voxel_size(tmp_path: Path) -> None:
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "ZYX"]
    scale = {"type": "scale", "scale": [40, 4, 8]}
    write_ome(tmp_path / "a", axes, [{"path": "0", "coordinateTransformations": [scale]}])
    spec = ZarrRemote().open(at(tmp_path / "a")).spec
    assert (spec.axes, spec.voxel_size_nm) == (("z", "y", "x"), (40, 4, 8))


@pytest.mark.parametrize("rank", [1, 6, 7])
def test_ranks_that_ome_lacks_are_plain_arrays(tmp_path: Path, rank: int) -> None:
    array = noise((3, 2, 1, 2, 3, 2, 2)[:rank], "int16")
    source = ZarrRemote().create(at(tmp_path / "a"), VolumeSpec.of(array.shape, "int16"))
    source.write(source.spec.domain, array)
    assert_array_equal(peer(tmp_path / "a")[...], array)
    assert ability(source, SupportsLevels) is None
