"""Projects of ilastik whose datasets and attributes are replaced: HDF5 itself is intact, as its library reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from fuzz.foreign import read_ilastik, write_ilastik
from fuzz.mutation import mutate
from fuzz.refusals import refusing
from voxome.errors import VoxomeError

PROJECT = "projects of ilastik"


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


def project_attempts(folder: Path) -> Callable[[Random], None]:
    """Return a function that replaces or removes values of a project, and reads it."""
    valid = folder / "valid.ilp"
    write_ilastik(valid)
    read_ilastik(valid)
    names: list[tuple[str, str | None]] = []
    with h5py.File(valid) as file:
        file.visititems(lambda name, node: names.extend([(name, None), *((name, one) for one in node.attrs)]))
    data, path = valid.read_bytes(), folder / "a.ilp"

    def attempt(random: Random) -> None:
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            for name, attribute in random.sample(names, random.choice((1, 1, 2))):
                if name in file:
                    _change(random, file, name, attribute)
        with refusing((VoxomeError,)):
            read_ilastik(path)

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
