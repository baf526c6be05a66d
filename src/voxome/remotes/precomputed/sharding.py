"""Parameters of the sharded format: which shard, and which minishard in it, has the value of an id.

Format: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from voxome.contracts.id_groups import HASH, MINISHARD_BITS, hash_ids
from voxome.errors import CorruptData, InvalidInput, UnsupportedFormat
from voxome.remotes.decompression import inflate
from voxome.storage.path import StoragePath

ENTRY_BYTES = 16
"""Bytes of a minishard in the index of a shard."""
_TYPE = "neuroglancer_uint64_sharded_v1"
_KEY_BITS = 64
_MOST_BITS = {"preshift_bits": _KEY_BITS, "minishard_bits": 22, "shard_bits": _KEY_BITS}
"""The index of a shard, which is read as a whole, has at most 64 MiB."""
_GZIP_WINDOW = 31

_HASHES: Mapping[str, Callable[[NDArray[np.uint64]], NDArray[np.uint64]]] = {
    "identity": lambda ids: ids,
    HASH: hash_ids,
}
_ENCODINGS = ("raw", "gzip")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "hash": tuple(_HASHES),
    "minishard_index_encoding": _ENCODINGS,
    "data_encoding": _ENCODINGS,
}


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Parameters of a sharded folder.

    Attributes
    ----------
    shard_bits, minishard_bits : int
        Bits of the hash that number the shard, and, below them, the minishard.
    preshift_bits : int
        Lowest bits of an id that do not matter for its place.
    hash : {"murmurhash3_x86_128", "identity"}
        Hash of ids.
    minishard_index_encoding, data_encoding : {"raw", "gzip"}
        Encoding of the indices, and of the values.

    Raises
    ------
    InvalidInput
        If a value is none of these.
    """

    shard_bits: int
    minishard_bits: int = MINISHARD_BITS
    preshift_bits: int = 0
    hash: str = HASH
    minishard_index_encoding: str = "gzip"
    data_encoding: str = "raw"

    def __post_init__(self) -> None:
        for name, most in _MOST_BITS.items():
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= most:
                raise InvalidInput(f"{name} of its shards is {value!r}; expected an integer from 0 to {most}")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise InvalidInput(
                    f"the {name} {getattr(self, name)!r} of its shards is unknown; expected {' or '.join(known)}"
                )

    @classmethod
    def of_groups(cls, groups: int, *, data_encoding: str = "raw") -> Sharding:
        """Return the sharding with a shard for each of the groups of `voxome.contracts.id_groups`, a power of two."""
        return cls(shard_bits=groups.bit_length() - 1, data_encoding=data_encoding)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: StoragePath) -> Sharding:
        """Return the parameters in the metadata of `folder`.

        Raises
        ------
        CorruptData
            If one is missing, or of another type.
        UnsupportedFormat
            If the hash or an encoding is unknown.
        """
        bits = {name: data.get(name) for name in ("shard_bits", "minishard_bits", "preshift_bits")}
        choices = {name: str(data.get(name, None if name == "hash" else "raw")) for name in _CHOICES}
        unknown = any(choices[name] not in known for name, known in _CHOICES.items())
        try:
            return cls(**bits, **choices)  # type: ignore[arg-type]
        except InvalidInput as error:
            error_class = UnsupportedFormat if unknown else CorruptData
            raise error_class(f"{folder}: {error}; correct the info file, or write it again") from error

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as metadata have them."""
        return {
            "@type": _TYPE,
            "preshift_bits": self.preshift_bits,
            "hash": self.hash,
            "minishard_bits": self.minishard_bits,
            "shard_bits": self.shard_bits,
            "minishard_index_encoding": self.minishard_index_encoding,
            "data_encoding": self.data_encoding,
        }

    @property
    def index_bytes(self) -> int:
        """Bytes of the index of a shard, with which its file begins."""
        return ENTRY_BYTES << self.minishard_bits

    def file_name(self, shard: int) -> str:
        """Return the name of the file of a shard."""
        return f"{shard:0{-(-self.shard_bits // 4)}x}.shard"

    def locate(self, ids: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the shard of each id, and the minishard in it.

        Parameters
        ----------
        ids : (n,) array of uint64
            Ids of values.

        Returns
        -------
        shards, minishards : (n,) array of uint64
        """
        hashed = _HASHES[self.hash](_shift(np.asarray(ids, np.uint64), self.preshift_bits))
        shards = _lowest(_shift(hashed, self.minishard_bits), self.shard_bits)
        return shards, _lowest(hashed, self.minishard_bits)


def compress(data: bytes, encoding: str) -> bytes:
    """Return data encoded as ``raw`` or ``gzip``; equal data give equal bytes, without a time."""
    return bytes(imagecodecs.gzip_encode(data)) if encoding == "gzip" else data


def decompress(data: bytes, encoding: str) -> bytes:
    """Decode what `compress` encoded.

    Raises
    ------
    zlib.error
        If the data are damaged, or implausibly large.
    """
    return inflate(data, _GZIP_WINDOW) if encoding == "gzip" else data


def _shift(values: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    return values >> np.uint64(bits) if bits < _KEY_BITS else np.zeros_like(values)


def _lowest(values: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    return values & np.uint64((1 << bits) - 1)
