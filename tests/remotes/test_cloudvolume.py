"""Layers that only cloud-volume reads, written by cloud-volume itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import cloudvolume
import numpy as np
import pytest
from numpy.typing import NDArray

import voxome
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidInput, NotFound, ReadOnly, StoreError
from voxome.remotes.cloudvolume import CloudVolumeRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import noise

pytestmark = pytest.mark.slow


def make(folder: Path, array: NDArray[Any], encoding: str, start: tuple[int, ...] = (0, 0, 0)) -> Any:
    """A layer with `array` (z, y, x) in it, in chunks of 32."""
    info = cloudvolume.CloudVolume.create_new_info(
        num_channels=1,
        layer_type="segmentation" if array.dtype.kind == "u" else "image",
        data_type=str(array.dtype),
        encoding=encoding,
        resolution=[4, 4, 40],
        voxel_offset=list(start[::-1]),
        volume_size=list(array.shape[::-1]),
        chunk_size=[32, 32, 32],
    )
    volume = cloudvolume.CloudVolume(f"file://{folder}", info=info, progress=False, compress=False)
    volume.commit_info()
    volume[:, :, :] = np.asfortranarray(array.T)
    return volume


class TestCrackle(VolumeRemoteContract):
    dtypes = ("uint64", "uint32", "uint16")
    ranks = (3,)
    creates = False
    deletes = False
    encoding = "crackle"

    @pytest.fixture
    def remote(self) -> CloudVolumeRemote:
        return CloudVolumeRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: Uri.parse(f"cloudvolume://{tmp_path / uuid4().hex}")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        make(Path(uri.path), array, self.encoding, spec.domain.start)

    def parent_uri(self, uri: Uri) -> None:
        return None


class TestCompresso(TestCrackle):
    encoding = "compresso"


class TestFpzip(TestCrackle):
    dtypes = ("float32",)
    encoding = "fpzip"


@pytest.fixture
def labels() -> NDArray[np.uint64]:
    return noise((40, 50, 64), "uint64") % np.uint64(9)


def test_scales(tmp_path: Path, labels: NDArray[np.uint64]) -> None:
    volume = make(tmp_path / "a", labels, "crackle")
    volume.add_scale((2, 2, 1), encoding="crackle")
    volume.commit_info()
    coarse = cloudvolume.CloudVolume(f"file://{tmp_path / 'a'}", mip=1, progress=False, compress=False)
    coarse[:, :, :] = np.asfortranarray(labels[:, ::2, ::2].T)
    opened = voxome.open(f"cloudvolume://{tmp_path / 'a'}")
    assert opened.voxel_size_nm == (40.0, 4.0, 4.0)
    second = opened.level(1)
    assert (second.voxel_size_nm, second.spec.offset_nm) == ((40.0, 8.0, 8.0), (0.0, 2.0, 2.0))
    np.testing.assert_array_equal(second[...], labels[:, ::2, ::2])


def test_it_is_read_only(tmp_path: Path, labels: NDArray[np.uint64]) -> None:
    make(tmp_path / "a", labels, "crackle")
    with pytest.raises(ReadOnly, match="precomputed://"):
        voxome.open(f"cloudvolume://{tmp_path / 'a'}", mode="r+")
    source = CloudVolumeRemote().open(Uri("cloudvolume", str(tmp_path / "a")))
    with pytest.raises(ReadOnly, match="copy it"):
        source.write(source.spec.domain, labels)


def test_a_missing_chunk_reads_as_zeros_only_with_fill_missing(tmp_path: Path, labels: NDArray[np.uint64]) -> None:
    make(tmp_path / "a", labels, "crackle")
    next((tmp_path / "a" / "4_4_40").glob("0-32_0-32_0-32*")).unlink()
    with pytest.raises(CorruptData, match="fill_missing=true"):
        voxome.open(f"cloudvolume://{tmp_path / 'a'}")[...]
    labels[:32, :32, :32] = 0
    np.testing.assert_array_equal(voxome.open(f"cloudvolume://{tmp_path / 'a'}?fill_missing=true")[...], labels)


def test_a_damaged_chunk_is_corrupt(tmp_path: Path, labels: NDArray[np.uint64]) -> None:
    make(tmp_path / "a", labels, "crackle")
    next((tmp_path / "a" / "4_4_40").glob("0-32_0-32_0-32*")).write_bytes(b"crak rubbish")
    with pytest.raises((CorruptData, StoreError)):
        voxome.open(f"cloudvolume://{tmp_path / 'a'}")[...]


def test_a_missing_layer_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        voxome.open(f"cloudvolume://{tmp_path / 'none'}")


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="fill_missing"):
        voxome.open(f"cloudvolume://{tmp_path}?fill_mising=true")
