"""Every zarr array that others wrote reads right, or is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.contracts.abilities import SupportsLevels, ability
from voxome.contracts.uri import Uri
from voxome.errors import UnsupportedFormat
from voxome.remotes.zarr.remote import ZarrRemote

PLANES = "neuroglancer/zarr_v2/from_zarr-python/data.zarr"
JAVA = [
    *(f"zarr2/dot.zarr/{name}_gzip" for name in ("uint8", "uint64", "float32")),
    *(f"zarr2/dot.zarr/uint16_{name}" for name in ("raw", "gzip", "zlib", "bz2", "blosc", "zstd", "le_raw")),
    "zarr2/dot.zarr/group_a/group_b/uint8_raw",
    "zarr2/dot.zarr/uint16_gzip_default_level",
    "zarr2/dot.zarr/uint16_lz4_requested_is_raw",
    "zarr2/dot.zarr/uint16_xz_requested_is_raw",
    "zarr2/dot.zarr/uint16_F_order_xyz",
    "zarr2/dot.zarr/uint16_default_missing",
    "zarr2/dot.zarr/uint16_fill7_missing",
    *(f"zarr2/slash.zarr/{name}" for name in ("uint8_gzip", "uint16_raw", "uint16_zstd", "uint16_fill7_missing")),
    *(
        f"zarr3/v3.zarr/plain/{name}"
        for name in (
            *("uint16_raw", "uint16_zstd", "uint64_zstd", "float32_zstd", "uint16_dot_sep", "uint16_gzip"),
            *("uint16_gzip_requested_is_raw", "uint16_blosc", "uint16_bzip2_ext", "uint16_fill7_missing"),
        )
    ),
    *(
        f"zarr3/v3.zarr/sharded/uint16_{name}"
        for name in ("raw", "zstd", "zstd_no_index_crc", "gzip", "blosc", "fill7_missing")
    ),
]
INCONSISTENT = "zarr2/dot.zarr/uint16_F_order_inconsistent"


def read(path: Path) -> NDArray[Any]:
    source = ZarrRemote().open(Uri("zarr", str(path)))
    return source.read(source.spec.domain)


def java_values(name: str) -> NDArray[Any]:
    """Values that the README of the Java fixtures gives."""
    z, y, x = np.indices((11, 17, 23))
    values = (x + 3 * y + 7 * z) % 200
    if "float" in name:
        return values + 0.5
    fill = 7 if "fill7" in name else 0
    if "missing" in name:
        written = (x // 8 + y // 8 + z // 8) % 2 == 0
        if "sharded" in name:
            written &= (x // 8 < 2) | (y // 8 < 2)
        return np.where(written, values, fill)
    return values.T if "F_order" in name else values


@pytest.mark.parametrize("name", JAVA)
def test_arrays_of_java_are_read(shared: Path, name: str) -> None:
    array = read(shared / "formats" / "java" / name)
    assert array.dtype == Path(name).name.partition("_")[0]
    assert_array_equal(array, java_values(name))


def test_no_fixture_of_java_is_left_out(shared: Path) -> None:
    root = shared / "formats" / "java"
    arrays = {file.parent for file in root.rglob(".zarray")}
    arrays |= {file.parent for file in root.rglob("zarr.json") if '"array"' in file.read_text()}
    assert {str(path.relative_to(root)) for path in arrays} == {*JAVA, INCONSISTENT}


def counting(*shape: int) -> NDArray[Any]:
    return np.arange(1, np.prod(shape) + 1).reshape(shape)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((f"1d.contiguous.{codec}.i2", counting(4)) for codec in ("raw", "blosc", "zlib", "zstd", "lz4")),
        ("1d.contiguous.i4", counting(4)),
        ("1d.contiguous.u1", np.array([255, 0, 255, 0])),
        ("1d.contiguous.f4.le", np.array([-1000.5, 0, 1000.5, 0])),
        ("1d.contiguous.f4.be", np.array([-1000.5, 0, 1000.5, 0])),
        ("1d.contiguous.f8", np.array([1.5, 2.5, 3.5, 4.5])),
        ("1d.contiguous.b1", np.array([True, False, True, False])),
        ("1d.chunked.i2", counting(4)),
        ("1d.chunked.ragged.i2", counting(5)),
        ("2d.contiguous.i2", counting(2, 2)),
        ("2d.chunked.i2", counting(2, 2)),
        ("2d.chunked.ragged.i2", counting(3, 3)),
        ("3d.contiguous.i2", counting(3, 3, 3) - 1),
        ("3d.chunked.i2", counting(3, 3, 3) - 1),
        ("3d.chunked.mixed.i2.C", counting(3, 3, 3) - 1),
        ("3d.chunked.mixed.i2.F", counting(3, 3, 3) - 1),
    ],
)
def test_arrays_of_zarr_python_are_read(shared: Path, name: str, expected: NDArray[Any]) -> None:
    assert_array_equal(read(shared / "formats" / PLANES / name), expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2d.chunked.i2", counting(2, 2)),
        ("2d.chunked.ragged.i2", counting(3, 3)),
        ("3d.chunked.i2", counting(3, 3, 3) - 1),
    ],
)
def test_arrays_of_zarrita_are_read(shared: Path, name: str, expected: NDArray[Any]) -> None:
    assert_array_equal(read(shared / "formats" / "neuroglancer/zarr_v3/data.zarr" / name), expected)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("1d.contiguous.S7", r"\|S7"),
        ("1d.contiguous.U7", "<U7"),
        ("1d.contiguous.U13.le", "<U13"),
        ("1d.contiguous.U13.be", ">U13"),
        ("2d.chunked.U7", "<U7"),
        ("3d.chunked.O", r"\|O"),
    ],
)
def test_strings_and_objects_are_refused(shared: Path, name: str, dtype: str) -> None:
    with pytest.raises(UnsupportedFormat, match=f"values of type {dtype}"):
        read(shared / "formats" / PLANES / name)


def test_multiscale_of_neuroglancer(shared: Path) -> None:
    group = shared / "formats" / "neuroglancer" / "ome_zarr" / "simple_0.4"
    source = ZarrRemote().open(Uri("zarr", str(group)))
    assert source.spec.axes == ("y", "x")
    assert_array_equal(source.read(source.spec.domain), np.arange(100).reshape(10, 10))
    pyramid = ability(source, SupportsLevels)
    assert pyramid is not None
    assert [level.scale for level in pyramid.levels] == [(1, 1, 1), (1, 2, 2), (1, 4, 4)]
    assert [pyramid.level(n).spec.domain.shape for n in range(3)] == [(10, 10), (5, 5), (2, 2)]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_first_versions_of_ome_zarr(shared: Path, version: str) -> None:
    group = shared / "formats" / "omezarr_py" / version
    source = ZarrRemote().open(Uri("zarr", str(group)))
    assert source.spec.axes == ("t", "c", "z", "y", "x")
    assert source.spec.domain.shape == (1, 2, 1, 16, 16)
    assert source.spec.voxel_size_nm is None
    assert_array_equal(read(group), read(group / "0"))
    assert read(group).any()


def test_groups_of_java_name_their_arrays(shared: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"plain/float32_zstd.*and \d+ more"):
        read(shared / "formats" / "java" / "zarr3" / "v3.zarr")
