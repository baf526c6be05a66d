"""Arrays in files: what is damaged is refused, and a lack of memory is no damage."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from voxome.errors import CorruptData
from voxome.storage.array_file import read_arrays, unpack_arrays, write_arrays
from voxome.storage.local import LocalPath

ARRAYS: dict[str, NDArray[Any]] = {
    "id": np.arange(5, dtype=np.uint64),
    "point": np.asfortranarray(np.ones((4, 3), np.float32)),
    "none": np.zeros((0, 3), np.int16),
    "one": np.array(7),
    "fields": np.zeros(3, [("id", np.uint64), ("point", np.float32, (3,))]),
}


def pack(header: bytes, data: bytes = b"", method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        packed.writestr("a.npy", header + data)
    return stream.getvalue()


def header(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return npy.magic(1, 0) + len(text).to_bytes(2, "little") + text


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = LocalPath(f"{tmp_path}/a.npz")
    write_arrays(file, ARRAYS)
    found = read_arrays(file, "run it again")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert_array_equal(found[name], array)


def test_a_lack_of_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 8 GiB")

    file = LocalPath(f"{tmp_path}/a.npz")
    write_arrays(file, ARRAYS)
    monkeypatch.setattr(npy, "read_array", fail)
    with pytest.raises(MemoryError, match="Unable to allocate 8 GiB"):
        read_arrays(file, "run it again")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pack(header("(4,)"), b"abcd")[:-30], "not a zip"),
        (pack(header(f"({1 << 60},)"), b"abcd"), "has 4 bytes of numbers; its header claims 1,152,921,504,606,846,976"),
        (pack(header("(5,)"), b"abcd"), "has 4 bytes of numbers; its header claims 5"),
        (pack(header(f"({'-' * 9000}4,)"), b"abcd"), "header of a.npy|recursion|nested"),
        (pack(b"some text"), "the magic string is not correct"),
        (pack(header("(4,)"), b"abcd", zipfile.ZIP_LZMA), "compressed by method 14"),
        (pack(header(f"({1 << 40},)", "|S0")), r"a\.npy has the data type \|S0; expected one of numbers"),
        (pack(header("(1,)", "<M8[s]"), bytes(8)), "expected one of numbers"),
    ],
    ids=["cut", "huge", "short", "deep", "text", "lzma", "nothing", "dates"],
)
def test_what_is_damaged_is_refused_before_memory_is_taken(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        unpack_arrays(content)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(CorruptData, match=r"a\.npz is damaged, .*; run it again"):
        read_arrays(LocalPath(f"{tmp_path}/a.npz"), "run it again")


def test_arrays_of_objects_are_not_pickled(tmp_path: Path) -> None:
    file = LocalPath(str(tmp_path / "a.npz"))
    with pytest.raises(TypeError, match="names: expected arrays of numbers"):
        write_arrays(file, {"id": np.arange(3), "names": np.array(["a", None], object)})
    write_arrays(file, {"id": np.arange(3)})
    assert list(unpack_arrays(file.read_bytes() or b"")) == ["id"]
