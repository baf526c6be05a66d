"""HDF5 files of programs whose datasets and attributes are replaced: HDF5 itself is intact, as its library reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import h5py
import numpy as np

import voxome
from fuzz.foreign import read_ilastik, write_ilastik
from fuzz.mutation import mutate
from fuzz.refusals import refusing
from fuzz.stores import read_volume
from voxome.errors import VoxomeError


class File(NamedTuple):
    """A function that writes a valid file, one that reads it, and its suffix."""

    write: Callable[[Path], None]
    read: Callable[[Path], None]
    suffix: str


def _values(random: Random, old: Any) -> Any:
    """Return a value to write in the place of another."""
    values: list[Any] = [
        0, -1, 2**40, 0.5, float("nan"), b"", b"\xff\xfe", b"x", b"{}", "é", "[0:9", [], [0], [b"a"], [-1.0, 1e308],
        np.zeros((2, 2), "u1"), np.zeros((0, 3), "i8"), np.ones((3, 4, 5, 2, 1), "u2"), np.array([True]),
        np.full((9, 8, 7, 1), 200, "u1"), json.dumps({"axes": 5}), json.dumps({"axes": [{"key": "z"}] * 3}),
        b"[" * 10_000, np.float32(3), np.array(b"y", "S1"), np.zeros(3, [("a", "u1")]), h5py.Empty("f4"),
        np.array([1 + 2j]),
    ]  # fmt: skip
    if isinstance(old, bytes | str):
        text = _bytes(old)
        values += [mutate(random, [text], 4).replace(b"\0", b"0") for _ in range(20)]
    return random.choice(values)


def write_bigdataviewer(path: Path) -> None:
    """Write two levels of BigDataViewer, with its XML beside them."""
    with h5py.File(path, "w") as file:
        for level in range(2):
            file[f"t00000/s00/{level}/cells"] = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        file["s00/resolutions"] = np.array([[1.0, 1, 1], [2, 1, 1]])
        file["s00/subdivisions"] = np.array([[4, 3, 2], [4, 3, 2]], np.int32)
        file["s00"].attrs["dataType"] = "uint16"
        file["__DATA_TYPES__/String_VarLen"] = "a"
    path.with_suffix(".xml").write_text(
        "<SpimData><ViewSetups><ViewSetup><id>0</id><voxelSize><unit>um</unit><size>0.1 0.2 0.5</size></voxelSize>"
        "</ViewSetup></ViewSetups></SpimData>"
    )


def write_imaris(path: Path) -> None:
    """Write two levels of Imaris, whose attributes are arrays of characters."""

    def characters(text: str) -> Any:
        return np.array(list(text), "S1")

    with h5py.File(path, "w") as file:
        for level, (padded, shape) in enumerate([((8, 16, 16), (5, 10, 12)), ((8, 8, 8), (5, 5, 6))]):
            channel = file.create_group(f"DataSet/ResolutionLevel {level}/TimePoint 0/Channel 0")
            channel["Data"], channel["Histogram"] = np.zeros(padded, np.uint8), np.zeros(256, np.uint64)
            for axis, size in zip("ZYX", shape, strict=True):
                channel.attrs[f"ImageSize{axis}"] = characters(str(size))
        image = file.create_group("DataSetInfo/Image")
        image.attrs["Unit"], image.attrs["X"] = characters("um"), characters("12")
        for number, (low, high) in enumerate([("1", "2.2"), ("0", "1.0"), ("0", "2.5")]):
            image.attrs[f"ExtMin{number}"], image.attrs[f"ExtMax{number}"] = characters(low), characters(high)


def _read_level(inner: str, path: Path) -> None:
    for uri in (f"hdf5://{path}", f"hdf5://{path}/{inner}"):
        with refusing((VoxomeError,)):
            read_volume(uri)
    with refusing((VoxomeError,)):
        voxome.ls(path)


HDF5_FILES: Mapping[str, File] = {
    "files of BigDataViewer": File(write_bigdataviewer, partial(_read_level, "t00000/s00/1/cells"), ".h5"),
    "files of Imaris": File(
        write_imaris, partial(_read_level, "DataSet/ResolutionLevel 1/TimePoint 0/Channel 0/Data"), ".ims"
    ),
    "projects of ilastik": File(write_ilastik, read_ilastik, ".ilp"),
}


def hdf5_attempts(kind: File, folder: Path) -> Callable[[Random], None]:
    """Return a function that replaces or removes values of a file, and reads it."""
    path = folder / f"a{kind.suffix}"
    kind.write(path)
    kind.read(path)
    names: list[tuple[str, str | None]] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, node: names.extend([(name, None), *((name, one) for one in node.attrs)]))
    data = path.read_bytes()

    def attempt(random: Random) -> None:
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            for name, attribute in random.sample(names, random.choice((1, 1, 2))):
                if name in file:
                    _change(random, file, name, attribute)
        with refusing((VoxomeError,)):
            kind.read(path)

    return attempt


def _bytes(value: Any) -> Any:
    """Return a text as its bytes, which may be no UTF-8 since an earlier change."""
    return value.encode(errors="surrogateescape") if isinstance(value, str) else value


def _change(random: Random, file: h5py.File, name: str, attribute: str | None) -> None:
    if attribute is not None:
        old = file[name].attrs.get(attribute)
        del file[name].attrs[attribute]
        if random.random() < 0.8:
            file[name].attrs[attribute] = _values(random, old)
        return
    old = file[name][()] if isinstance(file[name], h5py.Dataset) else None
    attributes = {key: _bytes(value) for key, value in file[name].attrs.items()}
    del file[name]
    if random.random() < 0.8:
        file[name] = _values(random, old)
        for key, value in attributes.items():
            file[name].attrs[key] = value
