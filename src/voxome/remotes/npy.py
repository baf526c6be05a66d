"""``npy://FILE.npy``: one numpy array in a file, memory-mapped.

The format is that of `numpy.lib.format`, NEP 1. It stores a shape, a dtype and an order, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from voxome.contracts.listing import volume_entry
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, CorruptData, NotFound, UnsupportedFormat
from voxome.geometry import Box
from voxome.remotes.arrays import copy_out, writable_slices
from voxome.remotes.local_files import file_version, require_content, write_blank
from voxome.remotes.spec_checks import parse_options, require_storable
from voxome.storage.atomic import replacing, storing
from voxome.storage.bounded_file import BoundedFile

_VERSIONS = ((1, 0), (2, 0), (3, 0))


class NpySource:
    """One memory-mapped array."""

    concurrent_writers = False

    def __init__(self, path: Path, mode: Mode) -> None:
        self._path, self._mode = path, mode
        self._data = _map(path, mode)
        self._spec = VolumeSpec.of(self._data.shape, self._data.dtype)

    @property
    def spec(self) -> VolumeSpec:
        return self._spec

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        return copy_out(self._data[box.within(self._spec.domain)], self._spec.dtype, out)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._data[writable_slices(f"npy://{self._path}", self._mode, box, data, self._spec.domain)] = data

    def version(self) -> Version:
        return file_version(self._path)


class NpyRemote:
    """Files with one array each."""

    uri_options = ()
    signature = "a NumPy file (.npy)"
    traits = FormatTraits(suffix=".npy")

    def recognises(self, path: Path) -> bool:
        """Return whether `path` is a NumPy file, or has the name of one: opening it says what is wrong."""
        return _is_npy(path) or (path.suffix == ".npy" and path.is_file())

    def open(self, uri: Uri, *, mode: Mode = "r") -> NpySource:
        return NpySource(_require_file(uri), mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        path = uri.local_path
        for file in sorted(path.glob("*.npy")) if path.is_dir() else [_require_file(uri)]:
            yield volume_entry(str(Uri("npy", str(file))), partial(_spec_of, file))

    def create(self, uri: Uri, spec: VolumeSpec) -> NpySource:
        path = uri.local_path
        self.check_spec(uri, spec)
        if path.exists():
            raise AlreadyExists(f"{path} exists; choose another name, or delete it")
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        header = {"descr": npy.dtype_to_descr(spec.dtype), "fortran_order": False, "shape": spec.domain.shape}
        with replacing(path) as new, new.open("wb") as file:
            npy.write_array_header_1_0(file, header)
            write_blank(file, spec)
        return NpySource(path, "r+")

    def check_spec(self, uri: Uri, spec: VolumeSpec) -> None:
        require_storable(".npy", spec, "voxel_size_nm", "offset_nm", "attributes", "axes")
        parse_options(".npy", spec, ())
        _refuse_dtype(uri.local_path, spec.dtype)

    def delete(self, uri: Uri) -> None:
        with storing(path := _require_file(uri)):
            path.unlink()


def _spec_of(file: Path) -> VolumeSpec:
    return NpySource(file, "r").spec


def _is_npy(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX


def _require_file(uri: Uri) -> Path:
    path = uri.local_path
    if not path.is_file():
        raise NotFound(f"{path} does not exist; npy:// takes the path of a .npy file")
    return path


def _refuse_dtype(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf":
        what = "pickled Python objects, which could run code" if dtype.hasobject else f"voxels of dtype {dtype}"
        raise UnsupportedFormat(f"{path} contains {what}; voxome reads booleans, integers and floats")


def _map(path: Path, mode: Mode) -> NDArray[Any]:
    require_content(path, "a .npy file")
    if not _is_npy(path):
        raise UnsupportedFormat(f"{path} is not a .npy file: it does not start with {npy.MAGIC_PREFIX!r}")
    try:
        with BoundedFile(path) as file:
            version = npy.read_magic(file)
            if version not in _VERSIONS:
                raise ValueError(f"its version of the format is {version}; voxome reads 1.0, 2.0 and 3.0")
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, dtype = read_header(file)
            start = file.tell()
    except (ValueError, SyntaxError, TokenError, RecursionError) as error:  # it is a literal of Python
        what = "it is not a literal of Python" if "malformed node" in str(error) else f"{error!s:.300}"
        raise CorruptData(f"the header of {path} cannot be read: {what}") from error
    _refuse_dtype(path, dtype)
    if any(type(n) is not int or n < 0 for n in shape) or math.prod(n or 1 for n in shape) * dtype.itemsize >= 1 << 63:
        raise CorruptData(f"the header of {path} has the shape {shape!s:.300}; expected lengths of an array")
    if not shape:
        raise UnsupportedFormat(f"{path} contains a single number; an array of at least one axis was expected")
    if path.stat().st_size < start + math.prod(shape) * dtype.itemsize:
        raise CorruptData(f"{path} is truncated: {dtype} {shape} in its header needs more bytes")
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, mode, start, shape, "F" if fortran else "C")
