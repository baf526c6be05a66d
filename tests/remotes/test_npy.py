"""Arrays in .npy files, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Uri
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.remotes.npy import NpyRemote
from voxome.testing import VolumeRemoteContract
from voxome.testing.strategies import DTYPES, noise


def uri_of(path: Path) -> Uri:
    return Uri("npy", str(path))


class TestNpy(VolumeRemoteContract):
    dtypes = (*DTYPES, "bool", "float16")
    chunked = False
    negative_start = False
    kinds = ()
    fills = (0,)
    stored_fields = frozenset()
    attributes = False
    provenance = False

    @pytest.fixture
    def remote(self) -> NpyRemote:
        return NpyRemote()

    @pytest.fixture
    def new_uri(self, tmp_path: Path) -> Callable[[], Uri]:
        return lambda: uri_of(tmp_path / f"{uuid4().hex}.npy")

    def seed(self, uri: Uri, array: NDArray[Any], spec: VolumeSpec) -> None:
        np.save(uri.path, array)

    def inspect(self, uri: Uri) -> NDArray[Any]:
        return np.load(uri.path)

    def parent_uri(self, uri: Uri) -> Uri:
        return uri_of(Path(uri.path).parent)


@pytest.mark.parametrize("stored", [np.asfortranarray, lambda a: a.astype(">i4"), lambda a: a[:, :0]])
def test_other_orders_and_no_voxels(tmp_path: Path, stored: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    array = stored(noise((4, 5, 6), "int32"))
    np.save(tmp_path / "a.npy", array)
    source = NpyRemote().open(uri_of(tmp_path / "a.npy"), mode="r+")
    assert source.spec.dtype == np.dtype("int32")
    np.testing.assert_array_equal(source.read(source.spec.domain), array)
    source.write(source.spec.domain, np.full(array.shape, 258, "int32"))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.full(array.shape, 258))


def test_fill_is_written(tmp_path: Path) -> None:
    NpyRemote().create(uri_of(tmp_path / "a.npy"), VolumeSpec.of((3, 4, 5), "int16", fill=-7))
    assert (np.load(tmp_path / "a.npy") == -7).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{"a": 1}, None], dtype=object), "pickled"),
        (np.zeros(3, dtype=[("a", "u1")]), "dtype"),
        (np.array(["text"]), "dtype"),
        (np.array(5), "single number"),
    ],
)
def test_files_that_are_not_volumes_are_refused(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UnsupportedFormat, match=message):
        NpyRemote().open(uri_of(tmp_path / "a.npy"))


def test_damage_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((9, 9)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(CorruptData, match="truncated"):
        NpyRemote().open(uri_of(path))
    path.write_bytes(whole[:40])
    with pytest.raises(CorruptData, match="header"):
        NpyRemote().open(uri_of(path))
    path.write_bytes(b"text")
    with pytest.raises(UnsupportedFormat, match=r"not a \.npy file"):
        NpyRemote().open(uri_of(path))


def test_a_header_that_is_no_python_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((9, 9)))
    whole = path.read_bytes()
    for old, new in (
        (b"(9, 9)", b"(9, 9("),
        (b"(9, 9)", b"(-9,9)"),
        (b"'<f8'", b"'99999'"),
        (b"(9, 9)", b"(True,9)"),
        (b"(9, 9)", b"open()"),
    ):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(CorruptData, match=r"header of [^<>]*$"):
            NpyRemote().open(uri_of(path))


@pytest.mark.parametrize("shape", [(10**40, 0), (2**62, 8, 0), (2**64,)], ids=str)
def test_lengths_that_no_array_has_are_damage(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with pytest.raises(CorruptData, match="header"):
        NpyRemote().open(uri_of(tmp_path / "a.npy"))


def test_versions_of_the_format_that_are_not_known_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((9, 9)))
    data = bytearray(path.read_bytes())
    data[6] = 9
    path.write_bytes(data)
    with pytest.raises(CorruptData, match="version"):
        NpyRemote().open(uri_of(path))


def test_specs_that_the_format_cannot_store_are_refused(tmp_path: Path) -> None:
    spec = VolumeSpec.of((3, 4, 5), "uint8", start=(1, 0, 0), voxel_size_nm=(1, 1, 1), attributes={"a": 1})
    with pytest.raises(
        UnsupportedFormat, match=r"voxel size.*attributes.*starts at.*--drop voxel_size --drop attributes --drop start"
    ) as caught:
        NpyRemote().create(uri_of(tmp_path / "a.npy"), spec)
    assert "zarr" in str(caught.value)
    with pytest.raises(InvalidInput, match="compression"):
        NpyRemote().create(
            uri_of(tmp_path / "a.npy"), VolumeSpec.of((3, 4, 5), "uint8", encoding={"compression": "gzip"})
        )
    assert not list(tmp_path.iterdir())
