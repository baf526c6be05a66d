"""Arguments of the wrong type are refused with a sentence that says what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxome
from voxome.errors import InvalidBox, InvalidInput, InvalidUri, UnknownName

SPEC = voxome.VolumeSpec.of((4, 5, 6), "uint8")
BOX = ((0, 0, 0), (1, 1, 1))


@pytest.fixture(scope="module")
def volume() -> voxome.Volume:
    """A volume in memory."""
    return voxome.create("memory://arguments", SPEC)


CALLS: list[tuple[Callable[[Any], object], str]] = [
    (lambda _: voxome.open(5), "5 is not a URI; expected text such as"),
    (lambda _: voxome.open(None), "None is not a URI"),
    (lambda _: voxome.open("memory://arguments", mode="w"), r"mode is 'w'; expected 'r' \(read\) or 'r\+'"),
    (lambda _: voxome.open("memory://arguments", level="two"), "level is 'two'; expected a whole number"),
    (lambda _: voxome.open("memory://arguments", level=-1), "level is -1; expected a whole number of at least 0"),
    (lambda _: voxome.open("memory://arguments", expect=dict), "expected voxome.Volume, Meshes"),
    (lambda v: v.cutout(BOX), r"is not a box; use voxome\.Box"),
    (lambda v: v.cutout("0:1"), "has 1 range, needs 3"),
    (lambda v: v.paste(BOX, 1), "is not a box"),
    (lambda v: v.ids(BOX), "is not a box"),
    (lambda _: voxome.create("memory://none", None), "spec is None; expected a VolumeSpec"),
    (lambda _: voxome.create("memory://none", (4, 5, 6)), r"spec is \(4, 5, 6\); expected a VolumeSpec"),
    (lambda _: voxome.create("memory://none", SPEC, voxelsize=3), "did you mean 'voxel_size_nm'"),
    (
        lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=np.array([1j, 1, 1])),
        r"voxel_size_nm is array\(\[0.\+1.j, .*expected three positive lengths",
    ),
    (
        lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=10),
        "voxel_size_nm is 10; expected three",
    ),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(10, 10)), "expected three positive lengths"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(0, 1, 1)), "expected three positive lengths"),
    (
        lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size_nm=(10**400, 1, 1)),
        "expected three positive lengths",
    ),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", offset_nm=3), "offset_nm is 3; expected a position in nm"),
    (lambda _: voxome.VolumeSpec.of(4, "uint8"), "shape is 4; expected whole numbers, one for each axis"),
    (lambda _: voxome.VolumeSpec.of((4, 5.5), "uint8"), "shape is"),
    (lambda _: voxome.VolumeSpec.of((4, -5), "uint8"), "shape is"),
    (lambda _: voxome.VolumeSpec.of("4,5,6", "uint8"), "shape is '4,5,6'; expected whole numbers"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "unit8"), "Unknown dtype 'unit8'"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", chunk=2), "chunk is 2; expected whole numbers"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", chunk=(2, 2)), "should have 3 axes"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", start="0"), "start is '0'"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", kind="label"), "did you mean 'labels'"),
    (lambda _: voxome.VolumeSpec.of((4, 5, 6), "uint8", voxel_size=(1, 1, 1)), "did you mean 'voxel_size_nm'"),
    (lambda _: SPEC.replace(domain=(4, 5, 6)), r"domain is \(4, 5, 6\); expected a voxome\.Box"),
    (lambda _: SPEC.replace(shape=(4, 5, 6)), "Unknown field of a VolumeSpec 'shape'"),
    (lambda _: voxome.Box.of(7), "7 is not a box"),
]


@pytest.mark.parametrize(("call", "message"), CALLS, ids=[message for _, message in CALLS])
def test_a_wrong_argument_is_refused(volume: voxome.Volume, call: Callable[[Any], object], message: str) -> None:
    with pytest.raises((InvalidInput, InvalidBox, InvalidUri, UnknownName), match=message):
        call(volume)


def test_paths_and_boxes_as_text_are_taken(tmp_path: Path) -> None:
    volume = voxome.create(tmp_path.joinpath("x").as_uri().replace("file://", "zarr://") + ".zarr", SPEC, kind="labels")
    volume[...] = 3
    opened = voxome.open(tmp_path / "x.zarr", expect=voxome.Volume)
    assert opened.cutout("0:1,0:2,0:3").shape == (1, 2, 3)
    volume.paste("0:1,0:1,0:1", 9)
    assert opened.ids("0:2,0:2,0:2").tolist() == [3, 9]


def test_integers_of_numpy_are_whole_numbers() -> None:
    shape = np.array([4, 5, 6])
    size = np.array([40.0, 4.0, 4.0])
    spec = voxome.VolumeSpec.of(shape, "uint8", chunk=shape, voxel_size_nm=size)
    assert (spec.domain.shape, spec.read_chunk, spec.voxel_size_nm) == ((4, 5, 6), (4, 5, 6), (40.0, 4.0, 4.0))
