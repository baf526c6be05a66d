"""Fill values, as other writers than voxome write them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from remotes.zarr.stores import at

from voxome.errors import CorruptData
from voxome.remotes.zarr.fill_values import decode_fill
from voxome.remotes.zarr.remote import ZarrRemote

VALID = [
    *(
        ("bool", fill, bool(expected))
        for fill, expected in [(0, 0), (1, 1), (True, 1), (False, 0), ("true", 1), ("0", 0)]
    ),
    ("uint8", "7", 7),
    ("int16", -1, -1),
    ("uint16", 3.0, 3),
    ("uint64", 2**64 - 1, 2**64 - 1),
    ("uint64", str(2**64 - 1), 2**64 - 1),
    *((f"float{bits}", "NaN", np.nan) for bits in (16, 32, 64)),
    *((f"float{bits}", "-Infinity", -np.inf) for bits in (16, 32, 64)),
    ("float16", "Infinity", np.inf),
    ("float16", "0x3c00", 1.0),
    ("float32", "0x7fc00001", np.nan),
    ("float32", "0x3fc00000", 1.5),
    ("float64", "0x7ff8000000000001", np.nan),
    ("float32", "1.5", 1.5),
    ("float64", 2, 2.0),
]
INVALID: list[tuple[str, Any]] = [
    *itertools.product(["bool"], [2, "NaN", 0.5, "yes", []]),
    *itertools.product(["uint16"], ["NaN", -1, 65536, 0.5, True, "0x10", float("nan"), []]),
    ("int8", 128),
    ("uint32", -1),
    *itertools.product(["float32"], [1e300, "0x7fc0", "0xzz000000", True, {}, "one"]),
    ("float16", 1e6),
]


@pytest.mark.parametrize(("dtype", "fill", "expected"), VALID)
def test_fill_values_of_others_are_decoded(dtype: str, fill: Any, expected: Any) -> None:
    value = decode_fill(fill, np.dtype(dtype))
    assert value.dtype == dtype
    assert_array_equal(value, np.array(expected, dtype))


def test_the_bits_of_a_hexadecimal_nan_are_kept() -> None:
    assert decode_fill("0x7fc00001", np.dtype(">f4")).view("u4") == 0x7FC00001


@pytest.mark.parametrize(("dtype", "fill", "expected"), VALID)
@pytest.mark.parametrize("format", [2, 3])
def test_chunks_that_are_missing_have_the_fill_value(
    tmp_path: Path, format: int, dtype: str, fill: Any, expected: Any
) -> None:
    source = ZarrRemote().open(at(write(tmp_path, format, dtype, fill)))
    assert source.spec.dtype == dtype
    assert_array_equal(source.read(source.spec.domain), np.full((2, 3), expected, dtype))
    assert_array_equal(source.spec.fill, np.array(expected, dtype).item())


@pytest.mark.parametrize(("dtype", "fill"), INVALID)
@pytest.mark.parametrize("format", [2, 3])
def test_fill_values_of_another_type_are_refused_by_name(tmp_path: Path, format: int, dtype: str, fill: Any) -> None:
    with pytest.raises(CorruptData, match=rf"fill_value is .* which is not a {dtype}; correct"):
        ZarrRemote().open(at(write(tmp_path, format, dtype, fill)))


def test_a_fill_value_of_null_is_zero_in_version_2_only(tmp_path: Path) -> None:
    source = ZarrRemote().open(at(write(tmp_path / "v2", 2, "uint8", None)))
    assert not source.read(source.spec.domain).any()
    with pytest.raises(CorruptData, match="fill_value is null"):
        ZarrRemote().open(at(write(tmp_path / "v3", 3, "uint8", None)))


def write(path: Path, format: int, dtype: str, fill: Any) -> Path:
    """Write the metadata of an array without chunks."""
    path.mkdir(exist_ok=True)
    document: dict[str, Any] = {"zarr_format": format, "shape": [2, 3], "fill_value": fill}
    if format == 2:
        document |= {"chunks": [2, 3], "dtype": np.dtype(dtype).str, "compressor": None, "filters": None, "order": "C"}
    else:
        grid = {"name": "regular", "configuration": {"chunk_shape": [2, 3]}}
        codecs = [{"name": "bytes", "configuration": {"endian": "little"}}]
        document |= {"node_type": "array", "data_type": dtype, "chunk_grid": grid, "codecs": codecs}
        document["chunk_key_encoding"] = {"name": "default"}
    (path / (".zarray" if format == 2 else "zarr.json")).write_text(json.dumps(document))
    return path
