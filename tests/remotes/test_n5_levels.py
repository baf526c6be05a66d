"""Levels added to N5 pyramids of other programs: every level stays visible to every reader of the group."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.uri import Uri
from voxome.errors import UnsupportedFormat
from voxome.remotes.n5.remote import N5Remote

SHAPE = (24, 16, 32)
ARRAY: dict[str, Any] = {"dataType": "uint8", "compression": {"type": "gzip", "level": -1}, "blockSize": [8, 8, 8]}
PYRAMIDS = {
    "ms_n5viewer": 0.0,
    "ms_n5viewer_bare": 0.0,
    "ms_n5viewer_sampled": 0.0,
    "ms_n5viewer_deprecated": 0.0,
    "ms_cosem": 1.0,
    "ms_cosem_forder": 1.0,
    "ms_paintera": 1.0,
    "bdv/setup0/timepoint0": 0.0,
    "ms_group": 0.0,
}


def put(folder: Path, **attributes: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "attributes.json").write_text(json.dumps(attributes))


def attributes(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "attributes.json").read_text()))


def add(folder: Path, scale: tuple[int, int, int]) -> VolumeSource:
    source = N5Remote().open(Uri("n5", str(folder)), mode="r+")
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    return pyramid.create_level(scale)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", PYRAMIDS)
def test_a_level_added_to_a_pyramid_of_java_leaves_the_others(shared: Path, tmp_path: Path, name: str) -> None:
    container = tmp_path / "c.n5"
    for one in name.split("/")[0], "attributes.json":
        place, copy = shared / "formats/java/n5" / one, container / one
        if place.is_dir():
            shutil.copytree(place, copy, copy_function=shutil.copyfile)
        elif place.is_file():
            shutil.copyfile(place, copy)
    for folder in (container, *container.rglob("*")):
        folder.chmod(0o755)
    before = N5Remote().open(Uri("n5", str(container / name)))
    kept, whole = before.spec, before.read(before.spec.domain)
    added = add(container / name, (8, 8, 8))
    added.write(added.spec.domain, whole[::8, ::8, ::8])
    again = N5Remote().open(Uri("n5", str(container / name)))
    pyramid = ability(again, SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(n, n, n) for n in (1, 2, 4, 8)]
    assert (again.spec.voxel_size_nm, again.spec.offset_nm) == (kept.voxel_size_nm, kept.offset_nm)
    assert_array_equal(again.read(kept.domain), whole)
    coarse = pyramid.level(3)
    assert_array_equal(coarse.read(coarse.spec.domain), whole[::8, ::8, ::8])
    if kept.voxel_size_nm is not None:
        assert coarse.spec.voxel_size_nm == pytest.approx([8 * n for n in kept.voxel_size_nm])
        centre = [o + 3.5 * n for o, n in zip(kept.offset_nm, kept.voxel_size_nm, strict=True)]
        assert coarse.spec.offset_nm == pytest.approx(centre)
        (file,) = (container / name).rglob("s3/attributes.json")
        for key in ("voxome", "transform"):  # what is left is read as any other program would
            stored = json.loads(file.read_text())
            del stored[key]
            file.write_text(json.dumps(stored))
            pyramid = ability(N5Remote().open(Uri("n5", str(container / name))), SupportsLevels)
            assert pyramid is not None
            alone = pyramid.level(3).spec
            assert (alone.voxel_size_nm, alone.offset_nm) == (
                pytest.approx(coarse.spec.voxel_size_nm),
                pytest.approx(coarse.spec.offset_nm),
            )


def test_a_bare_group_of_n5_viewer_gets_no_list_of_levels(tmp_path: Path) -> None:
    put(tmp_path, n5="4.0.0")
    resolution = {"unit": "nm", "dimensions": [4.0, 5.0, 40.0]}
    put(tmp_path / "em/s0", **ARRAY, dimensions=[32, 16, 24], pixelResolution=resolution)
    add(tmp_path / "em", (2, 2, 2))
    assert not (tmp_path / "em/attributes.json").exists()
    assert attributes(tmp_path / "em/s1")["downsamplingFactors"] == [2, 2, 2]
    assert attributes(tmp_path / "em/s1")["pixelResolution"] == resolution
    opened = N5Remote().open(Uri("n5", str(tmp_path / "em")))
    assert (opened.spec.domain.shape, opened.spec.voxel_size_nm) == (SHAPE, (40, 5, 4))


def test_a_level_enters_every_list_of_its_group(tmp_path: Path) -> None:
    put(tmp_path, n5="4.0.0")
    put(tmp_path / "setup0", downsamplingFactors=[[1, 1, 1]], dataType="uint8")
    steps = [{"type": "scale", "scale": [0.04, 0.005, 0.004]}, {"type": "translation", "translation": [0.3, 0.2, 0.1]}]
    ngff = {
        "version": "0.4",
        "axes": [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"],
        "datasets": [{"path": "s0", "coordinateTransformations": steps}],
    }
    fortran = {"axes": ["x", "y", "z"], "scale": [4, 5, 40], "translate": [100, 200, 300], "units": ["nm"] * 3}
    cosem = {"name": "em", "datasets": [{"path": "s0", "transform": {**fortran, "ordering": "F"}}]}
    other = {"name": "another pyramid", "datasets": [{"path": "elsewhere"}]}
    group = tmp_path / "setup0/timepoint0"
    put(group, multiscales=[cosem, ngff, other], scales=[[1, 1, 1]], multiScale=False, note="kept")
    put(group / "s0", **ARRAY, dimensions=[32, 16, 24])
    add(group, (1, 2, 2))
    found = attributes(group)
    assert found["multiscales"][0]["datasets"][1] == {
        "path": "s1",
        "transform": {**fortran, "scale": [8, 10, 40], "translate": [102, 202.5, 300], "ordering": "F"},
    }
    assert found["multiscales"][1]["datasets"][1]["coordinateTransformations"] == [
        {"type": "scale", "scale": pytest.approx([0.04, 0.01, 0.008])},
        {"type": "translation", "translation": pytest.approx([0.3, 0.2025, 0.102])},
    ]
    assert found["multiscales"][2] == other
    assert found["scales"] == [[1, 1, 1], [2, 2, 1]]
    assert (found["multiScale"], found["note"]) == (True, "kept")
    assert attributes(tmp_path / "setup0")["downsamplingFactors"] == [[1, 1, 1], [2, 2, 1]]


def test_time_points_share_the_factors_of_their_setup(tmp_path: Path) -> None:
    put(tmp_path, n5="4.0.0")
    put(tmp_path / "setup0", downsamplingFactors=[[1, 1, 1]], dataType="uint8")
    for time in ("timepoint0", "timepoint1"):
        put(tmp_path / "setup0" / time / "s0", **ARRAY, dimensions=[32, 16, 24])
        add(tmp_path / "setup0" / time, (2, 2, 2))
    assert attributes(tmp_path / "setup0")["downsamplingFactors"] == [[1, 1, 1], [2, 2, 2]]


@pytest.mark.parametrize(
    ("group", "files", "message"),
    [
        (
            {"multiscales": [{"datasets": [{"path": "s0"}]}], "scales": [[1, 1, 1], [2, 2, 2]]},
            {},
            "'scales' lists 2 levels where 1 exist",
        ),
        (
            {"multiscales": [{"datasets": [{"path": "s0", "transform": {"axes": ["z"], "scale": [1]}}]}]},
            {},
            "it has the axes z, the array z, y, x",
        ),
        ({}, {"s2": ARRAY | {"dimensions": [8, 4, 6]}}, "s1 is missing although s2 exists"),
    ],
)
def test_a_group_that_cannot_list_another_level_stays_as_it_is(
    tmp_path: Path, group: dict[str, Any], files: dict[str, dict[str, Any]], message: str
) -> None:
    put(tmp_path, n5="4.0.0")
    put(tmp_path / "em", **group)
    place = {"transform": {"axes": ["z", "y", "x"], "scale": [40, 5, 4], "units": ["nm"] * 3}}
    put(tmp_path / "em/s0", **ARRAY, dimensions=[32, 16, 24], **place)
    for path, array in files.items():
        put(tmp_path / "em" / path, **array)
    before = snapshot(tmp_path)
    with pytest.raises(UnsupportedFormat, match=message):
        add(tmp_path / "em", (2, 2, 2))
    assert snapshot(tmp_path) == before


def test_labels_that_paintera_indexes_by_level_get_no_level(tmp_path: Path) -> None:
    put(tmp_path, n5="4.0.0")
    put(tmp_path / "seg", painteraData={"type": "label"}, maxId=7)
    put(tmp_path / "seg/data", multiScale=True, resolution=[4, 5, 40])
    put(tmp_path / "seg/data/s0", **{**ARRAY, "dataType": "uint64"}, dimensions=[32, 16, 24])
    put(tmp_path / "seg/unique-labels", multiScale=True)
    before = snapshot(tmp_path)
    with pytest.raises(UnsupportedFormat, match="unique-labels for every level"):
        add(tmp_path / "seg", (2, 2, 2))
    assert snapshot(tmp_path) == before


def test_levels_with_other_names_keep_them(tmp_path: Path) -> None:
    put(tmp_path, n5="4.0.0")
    place = {"axes": ["z", "y", "x"], "scale": [40, 5, 4], "translate": [0, 0, 0], "units": ["nm"] * 3}
    put(tmp_path / "em", multiscales=[{"datasets": [{"path": "full", "transform": place}]}])
    put(tmp_path / "em/full", **ARRAY, dimensions=[32, 16, 24])
    put(tmp_path / "em/s1", note="something else")
    added = add(tmp_path / "em", (2, 2, 2))
    added.write(added.spec.domain, np.full(added.spec.domain.shape, 3, "uint8"))
    assert [one["path"] for one in attributes(tmp_path / "em")["multiscales"][0]["datasets"]] == ["full", "s2"]
    assert attributes(tmp_path / "em/s1") == {"note": "something else"}
