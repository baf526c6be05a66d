"""N5 as n5-universe writes and changes it: OME-NGFF metadata, and recalibrated volumes of ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archives import unpack
from numpy.testing import assert_array_equal

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import VoxomeError
from voxome.remotes.n5.remote import N5Remote

Change = Callable[[dict[str, Any]], None]
NM = ["nm"] * 3


@pytest.fixture
def foreign(shared: Path, tmp_path: Path) -> Path:
    """Volumes that Java's n5-universe wrote or changed."""
    return unpack(shared / "cases/foreign.tar.xz", tmp_path) / "foreign"


def open_at(folder: Path, **options: Any) -> VolumeSource:
    return N5Remote().open(Uri("n5", str(folder)), **options)


def placements(source: VolumeSource) -> list[tuple[Any, Any]]:
    """Voxel size and offset of every level."""
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    specs = [pyramid.level(number).spec for number in range(len(pyramid.levels))]
    assert [(one.voxel_size_nm, one.offset_nm) for one in pyramid.levels] == [
        (spec.voxel_size_nm, spec.offset_nm) for spec in specs
    ]
    return [(pytest.approx(spec.voxel_size_nm), pytest.approx(spec.offset_nm)) for spec in specs]


@pytest.mark.slow
def test_ngff_metadata_of_n5_universe_are_read(foreign: Path) -> None:
    source = open_at(foreign / "n5_ngff.n5/ngff")
    expected = [((40, 5, 4), (300, 200, 100)), ((80, 10, 8), (320, 202.5, 102))]
    assert placements(source) == expected
    assert (source.spec.axes, source.spec.domain.shape) == (("z", "y", "x"), (11, 17, 23))
    assert open_at(foreign / "n5_ngff.n5/ngff/s1").spec.voxel_size_nm == pytest.approx((80, 10, 8))


@pytest.mark.slow
def test_a_recalibration_by_n5_universe_counts(foreign: Path) -> None:
    size, offset = (30, 8, 8), (1000, 2000, 3000)
    levels = placements(open_at(foreign / "n5_recalibrated.n5/em"))
    assert levels == [(size, offset), ((30, 16, 16), offset), ((30, 32, 32), offset)]
    assert open_at(foreign / "n5_recalibrated.n5/em/s0").spec.voxel_size_nm == size


@pytest.mark.slow
def test_a_level_added_to_a_bare_level_of_n5_viewer_leaves_it(foreign: Path) -> None:
    group, expected = foreign / "n5_viewer_s0_only.n5/viewer", np.load(foreign / "n5_viewer_s0_only.expected.npy")
    pyramid = ability(open_at(group, mode="r+"), SupportsLevels)
    assert pyramid is not None
    pyramid.create_level((1, 2, 2))
    again = open_at(group)
    assert_array_equal(again.read(again.spec.domain), expected)
    assert placements(again) == [((40, 5, 4), (0, 0, 0)), ((40, 10, 8), (0, 2.5, 2))]


# Recalibrations by one flavour at a time


def _change(file: Path, change: Change) -> None:
    attributes = json.loads(file.read_text())
    change(attributes)
    file.write_text(json.dumps(attributes))


def _cosem(size: list[float], first: list[float]) -> dict[str, Any]:
    return {"axes": ["z", "y", "x"], "scale": size, "translate": first, "units": NM}


STEPS = [{"type": "scale", "scale": [0.03, 0.008, 0.008]}, {"type": "translation", "translation": [1, 2, 3]}]
NGFF = {
    "version": "0.4",
    "axes": [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"],
    "datasets": [{"path": "s0", "coordinateTransformations": STEPS}],
}
CHANGES: dict[str, tuple[str, Change, tuple[float, ...]]] = {
    "n5-viewer": (
        "s0",
        lambda old: old.update(pixelResolution={"unit": "um", "dimensions": [0.008, 0.008, 0.03]}),
        (300, 200, 100),
    ),
    "COSEM": ("s0", lambda old: old.update(transform=_cosem([30, 8, 8], [1030, 2016, 2984])), (1000, 2000, 3000)),
    "COSEM, the position alone": (
        "s0",
        lambda old: old.update(transform=_cosem([40, 5, 4], [1040, 2010, 2992])),
        (1000, 2000, 3000),
    ),
    "COSEM of the group": (
        "",
        lambda old: old["multiscales"][0]["datasets"][0].update(transform=_cosem([30, 8, 8], [1030, 2016, 2984])),
        (1000, 2000, 3000),
    ),
    "OME-NGFF": ("", lambda old: old["multiscales"].insert(0, NGFF), (970, 1984, 3016)),
    "OME-NGFF 0.5": ("", lambda old: old.update(ome={"version": "0.5", "multiscales": [NGFF]}), (970, 1984, 3016)),
}


@pytest.mark.parametrize("flavour", CHANGES)
def test_a_recalibration_by_one_flavour_counts(tmp_path: Path, flavour: str) -> None:
    spec = VolumeSpec.of((8, 9, 10), "uint8", start=(1, 2, -2), voxel_size_nm=(40, 5, 4), offset_nm=(300, 200, 100))
    em = tmp_path / "c.n5/em"
    N5Remote().create(Uri("n5", str(em)), spec)
    assert open_at(em).spec.replace(encoding=None, read_chunk=None, write_chunk=None) == spec
    path, change, offset = CHANGES[flavour]
    _change(em / path / "attributes.json", change)
    size = (40, 5, 4) if "alone" in flavour else (30, 8, 8)
    changed = open_at(em).spec
    assert (changed.voxel_size_nm, changed.offset_nm) == (pytest.approx(size), pytest.approx(offset))
    assert (changed.domain, changed.axes, changed.kind) == (spec.domain, spec.axes, spec.kind)


def test_a_voxel_size_that_others_add_counts(tmp_path: Path) -> None:
    em = tmp_path / "c.n5/em"
    N5Remote().create(Uri("n5", str(em)), VolumeSpec.of((8, 9, 10), "uint8", start=(1, 2, 3)))
    assert open_at(em).spec.voxel_size_nm is None
    _change(em / "attributes.json", lambda old: old.update(pixelResolution={"unit": "nm", "dimensions": [4, 5, 40]}))
    assert open_at(em).spec.voxel_size_nm == (40, 5, 4)


@pytest.mark.parametrize("value", [7, [], {"axes": ["a"], "scale": 3}, {"scale": [1, 2, 3]}])
def test_metadata_of_others_that_are_not_understood_change_nothing(tmp_path: Path, value: Any) -> None:
    em = tmp_path / "c.n5/em"
    spec = VolumeSpec.of((8, 9, 10), "uint8", voxel_size_nm=(40, 5, 4))
    N5Remote().create(Uri("n5", str(em)), spec)
    _change(em / "s0/attributes.json", lambda old: old.update(transform=value))
    assert open_at(em).spec.voxel_size_nm == (40, 5, 4)


def test_a_level_enters_ngff_metadata_of_both_versions(tmp_path: Path) -> None:
    em = tmp_path / "c.n5/em"
    N5Remote().create(Uri("n5", str(em)), VolumeSpec.of((8, 9, 10), "uint8", voxel_size_nm=(30, 8, 8)))
    _change(em / "attributes.json", lambda old: old.update(ome={"version": "0.5", "multiscales": [NGFF]}))
    pyramid = ability(open_at(em, mode="r+"), SupportsLevels)
    assert pyramid is not None
    pyramid.create_level((1, 2, 2))
    (entry,) = json.loads((em / "attributes.json").read_text())["ome"]["multiscales"]
    assert entry["datasets"][1] == {
        "path": "s1",
        "coordinateTransformations": [
            {"type": "scale", "scale": pytest.approx([0.03, 0.016, 0.016])},
            {"type": "translation", "translation": pytest.approx([1, 2.004, 3.004])},
        ],
    }
    assert placements(open_at(em))[1] == ((30, 16, 16), (1000, 2004, 3004))


WRONG: list[Any] = [None, 0, -1.5, "x", [], {}, [1], True, [[0, 0, 0]], [{}], [None]]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["attributes.json", "s0/attributes.json"])
def test_attributes_of_any_form_are_read_or_refused(foreign: Path, file: str) -> None:
    group = foreign / "n5_ngff.n5/ngff"
    right = json.loads((group / file).read_text())
    for path in list(_paths(right)):
        for value in WRONG:
            changed = json.loads(json.dumps(right))
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            (group / file).write_text(json.dumps(changed))
            with suppress(VoxomeError):
                open_at(group)
            assert any(info.uri.endswith("ngff") for info in N5Remote().list(Uri("n5", str(group.parent))))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each part of a JSON value; of lists, to their first item."""
    rows = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in rows:
        yield (*path, key)
        yield from _paths(inner, (*path, key))
