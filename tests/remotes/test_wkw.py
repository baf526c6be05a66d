"""Layers of WEBKNOSSOS, written by the wkw library itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import wkw
from numpy.typing import NDArray

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, NotFound, ReadOnly
from voxome.remotes.wkw import WkwRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise


def put(folder: Path, array: NDArray[Any], start: tuple[int, ...]) -> None:
    """Write `array` ([c,] z, y, x) at `start`."""
    channels = array[None] if array.ndim == 3 else array
    header = wkw.Header(array.dtype.type, num_channels=len(channels), block_len=8, file_len=4)
    with wkw.Dataset.create(str(folder), header) as dataset:
        dataset.write(start[-3:][::-1], np.asfortranarray(channels.transpose(0, 3, 2, 1)))


def describe(dataset: Path, layers: dict[str, tuple[tuple[int, ...], tuple[int, ...], str]], scale: Any) -> None:
    listed = [
        {
            "name": name,
            "category": category,
            "boundingBox": {"topLeft": list(start[::-1]), "width": shape[2], "height": shape[1], "depth": shape[0]},
        }
        for name, (start, shape, category) in layers.items()
    ]
    (dataset / "datasource-properties.json").write_text(json.dumps({"dataLayers": listed, "scale": scale}))


class TestWkw(VolumeRemoteContract):
    dtypes = ("uint8", "uint16", "uint32", "uint64", "float32")
    ranks = (3, 4)
    creates = False
    deletes = False
    negative_start = False
    seeded_fields = frozenset({"voxel_size_nm"})

    @pytest.fixture
    def remote(self) -> WkwRemote:
        return WkwRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: Uri.parse(f"wkw://{tmp_path / uuid4().hex / 'color'}")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        layer = Path(uri.path)
        put(layer / "1", array, (0, 0, 0))
        z, y, x = spec.voxel_size_nm or (10.0, 10.0, 10.0)
        describe(layer.parent, {"color": ((0, 0, 0), array.shape[-3:], "color")}, [x, y, z])

    def parent_uri(self, uri: Uri) -> Uri:
        return Uri("wkw", str(Path(uri.path).parent))


@pytest.fixture
def labels() -> NDArray[np.uint32]:
    return noise((20, 30, 40), "uint32") % np.uint32(50)


def test_magnifications_and_an_origin(tmp_path: Path, labels: NDArray[np.uint32]) -> None:
    put(tmp_path / "seg" / "1", labels, (5, 6, 8))
    put(tmp_path / "seg" / "2-2-1", labels[:, ::2, ::2], (5, 3, 4))
    describe(tmp_path, {"seg": ((5, 6, 8), labels.shape, "segmentation")}, {"factor": [4, 4, 40], "unit": "nanometer"})
    opened = voxome.open(f"wkw://{tmp_path / 'seg'}")
    assert (opened.domain.start, opened.spec.kind, opened.voxel_size_nm) == ((5, 6, 8), "labels", (40.0, 4.0, 4.0))
    np.testing.assert_array_equal(opened[...], labels)
    coarse = opened.level(1)
    assert (coarse.voxel_size_nm, coarse.spec.offset_nm) == ((40.0, 8.0, 8.0), (0.0, 2.0, 2.0))
    np.testing.assert_array_equal(coarse[...], labels[:, ::2, ::2])


def test_without_properties_the_extent_is_that_of_the_files(tmp_path: Path, labels: NDArray[np.uint32]) -> None:
    put(tmp_path / "seg" / "1", labels, (0, 0, 0))
    opened = voxome.open(str(tmp_path / "seg"))
    assert (opened.shape, opened.voxel_size_nm) == ((32, 32, 64), None)
    np.testing.assert_array_equal(opened[:20, :30, :40], labels)
    assert not opened[20:].any()


def test_a_short_file_is_corrupt(tmp_path: Path, labels: NDArray[np.uint32]) -> None:
    put(tmp_path / "seg" / "1", labels, (0, 0, 0))
    os.truncate(tmp_path / "seg" / "1" / "z0" / "y0" / "x0.wkw", 100)
    with pytest.raises(CorruptData, match=r"x0\.wkw"):
        voxome.open(f"wkw://{tmp_path / 'seg'}")[...]


def test_a_file_whose_name_is_no_place_is_named(tmp_path: Path, labels: NDArray[np.uint32]) -> None:
    put(tmp_path / "seg" / "1", labels, (0, 0, 0))
    stray = tmp_path / "seg" / "1" / "z0" / "y0" / "x0-copy.wkw"
    stray.write_bytes(b"")
    with pytest.raises(CorruptData, match=r"x0-copy\.wkw"):
        voxome.open(f"wkw://{tmp_path / 'seg'}")
    stray.rename(stray.with_name("x999999999999999999.wkw"))
    with pytest.raises(CorruptData, match="seg"):
        voxome.open(f"wkw://{tmp_path / 'seg'}")


def test_invalid_properties_are_corrupt(tmp_path: Path, labels: NDArray[np.uint32]) -> None:
    put(tmp_path / "seg" / "1", labels, (0, 0, 0))
    (tmp_path / "datasource-properties.json").write_text('{"scale": [1, 2]}')
    with pytest.raises(CorruptData, match="datasource-properties"):
        voxome.open(f"wkw://{tmp_path / 'seg'}")


def test_it_is_read_only(tmp_path: Path, labels: NDArray[np.uint32]) -> None:
    put(tmp_path / "seg" / "1", labels, (0, 0, 0))
    with pytest.raises(ReadOnly):
        voxome.open(f"wkw://{tmp_path / 'seg'}", mode="r+")
    with pytest.raises(NotFound, match="name a layer"):
        voxome.open(f"wkw://{tmp_path}")
