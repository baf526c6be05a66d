"""Writing of the values of a folder by groups of ids: a shard, or the files of its ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxome.remotes.precomputed.keyed import KeyedValues
from voxome.remotes.precomputed.shard_writer import write_shard
from voxome.remotes.precomputed.sharding import Sharding
from voxome.storage.path import StoragePath


@dataclass(frozen=True)
class KeyedWriter:
    """Writes the values of a folder by 64-bit id.

    Attributes
    ----------
    folder : StoragePath
        Contains the files, or the shards.
    sharding : Sharding or None
        Parameters of the shards, one for each group; None where each value is a file.
    suffix : str
        What follows the id in the name of the file of a value.
    suffix_before : str
        What follows it in the name of a second file, with the bytes that a shard has directly before the value.
    """

    folder: StoragePath
    sharding: Sharding | None
    suffix: str = ""
    suffix_before: str = ""

    def write_group(self, group: int, values: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Write all values of a group of ids, and replace what an earlier attempt has left of it.

        Parameters
        ----------
        group : int
            Number of the group, and of its shard.
        values : iterable of (id, value, bytes before it)
            In ascending order of ids.

        Raises
        ------
        InvalidInput
            If ids are not in ascending order, or belong to another shard.
        """
        if self.sharding is not None:
            write_shard(self.folder, self.sharding, group, values)
            return
        for id, value, before in values:
            if before:
                (self.folder / f"{id}{self.suffix_before}").write_bytes(before)
            (self.folder / f"{id}{self.suffix}").write_bytes(value)

    def ids(self) -> NDArray[np.uint64]:
        """Return the ids of all values that are there, sorted."""
        if not self.folder.taken():
            return np.empty(0, np.uint64)
        sharding = None if self.sharding is None else self.sharding.to_json()
        return KeyedValues(self.folder, sharding, self.suffix).ids()
