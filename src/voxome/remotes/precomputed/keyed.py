"""Values by 64-bit id: a file each, or packed into shards."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.remotes.decompression import SUFFIXES
from voxome.remotes.precomputed.folders import read_files
from voxome.storage.path import StoragePath
from voxome.storage.tensorstore import context, map_errors, result_of, result_unforced

_LIMIT = 1 << 64


class KeyedValues:
    """The values of a folder by 64-bit id.

    Parameters
    ----------
    folder : StoragePath
        Contains the files, or the shards.
    sharding : mapping or None
        The sharding parameters of the metadata; None where each value is a file.
    suffix : str
        What follows the id in the name of a file.

    Raises
    ------
    CorruptData
        If the sharding parameters are no mapping.
    """

    def __init__(self, folder: StoragePath, sharding: Mapping[str, Any] | None, suffix: str = "") -> None:
        if sharding is not None and not isinstance(sharding, Mapping):
            raise CorruptData(f"{folder}: its sharding is {sharding!r}; expected an object")
        self.folder, self.sharding, self._suffix = folder, sharding, suffix

    def read(self, id: int) -> bytes | None:
        """Return one value; None if it does not exist."""
        return self.read_all([id])[0]

    def read_all(self, ids: Iterable[int]) -> list[bytes | None]:
        """Return several values, read at once."""
        keys = [check_id(id) for id in ids]
        if self.sharding is None:
            return read_files(self.folder, [f"{key}{self._suffix}" for key in keys])
        with map_errors(str(self.folder)):
            pending = [self._shards.read(key.to_bytes(8, "big")) for key in keys]
            results = [result_of(future) for future in pending]
        return [None if one.state == "missing" else bytes(one.value) for one in results]

    def ids(self) -> NDArray[np.uint64]:
        """Return all ids with a value, sorted.

        Raises
        ------
        UnsupportedFormat
            If the store cannot list its files.
        """
        if self.sharding is None:
            found = (self._name.fullmatch(name) for name in self.folder.names())
            numbers = {int(match[1]) for match in found if match}
            return np.array(sorted(number for number in numbers if number < _LIMIT), np.uint64)
        self.folder.require_listable()
        with map_errors(str(self.folder)):
            keys = result_unforced(self._shards.list())
        return np.sort(np.frombuffer(b"".join(keys), ">u8").astype(np.uint64))

    @cached_property
    def _name(self) -> re.Pattern[str]:
        compressed = "|".join(map(re.escape, SUFFIXES))
        return re.compile(rf"(\d{{1,20}}){re.escape(self._suffix)}(?:{compressed})?")

    @cached_property
    def _shards(self) -> ts.KvStore:
        spec = {
            "driver": "neuroglancer_uint64_sharded",
            "base": self.folder.spec(),
            "metadata": dict(self.sharding or {}),
        }
        with map_errors(str(self.folder), invalid=UnsupportedFormat):
            return result_of(ts.KvStore.open(spec, context=context()))


def check_id(id: int) -> int:
    """Return `id` as an int.

    Raises
    ------
    InvalidInput
        If it is not an integer from 0 to 2^64 - 1.
    """
    try:
        number = operator.index(id)
    except TypeError:
        number = -1
    if not 0 <= number < _LIMIT:
        raise InvalidInput(f"{id!r} is not an id; ids are integers from 0 to 2^64 - 1")
    return number
