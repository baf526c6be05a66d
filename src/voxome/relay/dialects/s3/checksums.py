"""Checksums of bodies, as headers and trailers name them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.relay.dialects.s3.errors import S3Error

PREFIX = "x-amz-checksum-"
MD5 = "content-md5"

_LENGTH = 256
"""Bytes of a segment; as many segments are computed side by side."""
_NOT_CHECKSUMS = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})


class Digest(Protocol):
    """A checksum that grows with the data."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add data."""

    def digest(self) -> bytes:
        """Return the checksum of all data."""


@dataclass
class Crc32:
    """CRC-32 of zlib."""

    value: int = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Add data."""
        self.value = zlib.crc32(data, self.value)

    def digest(self) -> bytes:
        """Return four bytes, the highest first."""
        return self.value.to_bytes(4, "big")


@dataclass
class ReflectedCrc:
    """A cyclic redundancy check of bits in reflected order, with all bits set before and inverted after.

    Segments are computed side by side and joined by the linear map of the register over a segment of zeros.

    Parameters
    ----------
    polynomial : int
        In reflected order.
    bits : int
        Length of the register.
    """

    polynomial: int
    bits: int
    register: int = field(init=False)

    def __post_init__(self) -> None:
        self.register = (1 << self.bits) - 1

    def update(self, data: bytes | memoryview, /) -> None:
        """Add data."""
        table, skip = _table(self.polynomial), _skip(self.polynomial)
        values = np.frombuffer(data, np.uint8)
        whole = len(values) // _LENGTH**2 * _LENGTH**2
        for block in values[:whole].reshape(-1, _LENGTH, _LENGTH):
            registers = np.zeros(_LENGTH, np.uint64)
            for column in np.ascontiguousarray(block.T):
                registers = table[(registers ^ column) & 255] ^ (registers >> 8)
            for register in registers.tolist():
                for number, one in enumerate(skip):
                    register ^= one[self.register >> 8 * number & 255]
                self.register = register
        steps, current = table.tolist(), self.register
        for value in values[whole:].tolist():
            current = steps[(current ^ value) & 255] ^ (current >> 8)
        self.register = current

    def digest(self) -> bytes:
        """Return the bytes of the checksum, the highest first."""
        return (self.register ^ ((1 << self.bits) - 1)).to_bytes(self.bits // 8, "big")


@cache
def _table(polynomial: int) -> NDArray[np.uint64]:
    """Return the register after one byte, for each value of the byte."""
    values = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint64(polynomial), values >> 1)
    return values


@cache
def _skip(polynomial: int) -> list[list[int]]:
    """Return, for each byte of the register and its value, the register after a segment of zeros."""
    table = _table(polynomial)
    registers = np.arange(256, dtype=np.uint64) << (8 * np.arange(8, dtype=np.uint64)[:, None])
    for _ in range(_LENGTH):
        registers = table[registers & 255] ^ (registers >> 8)
    return registers.tolist()


def _sha(name: str) -> Callable[[], Digest]:
    return lambda: hashlib.new(name, usedforsecurity=False)


_DIGESTS: Mapping[str, Callable[[], Digest]] = {
    MD5: _sha("md5"),
    f"{PREFIX}crc32": Crc32,
    f"{PREFIX}crc32c": lambda: ReflectedCrc(0x82F63B78, 32),
    f"{PREFIX}crc64nvme": lambda: ReflectedCrc(0x9A6C9329AC4BC9B5, 64),
    f"{PREFIX}sha1": _sha("sha1"),
    f"{PREFIX}sha256": _sha("sha256"),
}


class Checksums:
    """Checksums that a client sends, in headers before the body or in trailers behind it.

    Parameters
    ----------
    headers : mapping of str to str
        Headers of the request; ``x-amz-trailer`` names those that follow the body.

    Raises
    ------
    S3Error
        If one is unknown or malformed.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._expected = {name: value for name, value in headers.items() if _is_checksum(name)}
        trailers = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
        self.trailers = frozenset(name for name in trailers if _is_checksum(name))
        self._digests: dict[str, Any] = {}
        for name in {*self._expected, *self.trailers}:
            if name not in _DIGESTS:
                raise S3Error("InvalidRequest", f"the checksum {name} is unknown; send one of {', '.join(_DIGESTS)}")
            self._digests[name] = _DIGESTS[name]()
        for name, value in self._expected.items():
            _decode(name, value)

    def update(self, data: bytes | memoryview) -> None:
        """Add data of the body."""
        for digest in self._digests.values():
            digest.update(data)

    def verify(self, trailers: Mapping[str, str]) -> dict[str, str]:
        """Return the checksums of the whole body, as headers of the answer.

        Raises
        ------
        S3Error
            If one is wrong or missing.
        """
        expected = {**self._expected, **{name: value for name, value in trailers.items() if _is_checksum(name)}}
        for name, digest in self._digests.items():
            if name not in expected:
                raise S3Error("MalformedTrailerError", f"the trailer {name} is announced, but missing")
            if _decode(name, expected[name]) != digest.digest():
                raise S3Error("BadDigest", f"the body has another {name} than was sent with it; send it again")
        unverified = sorted(set(expected) - set(self._digests))
        if unverified:
            raise S3Error("MalformedTrailerError", f"the trailer {unverified[0]} was not announced")
        return {name: expected[name] for name in self._digests if name != MD5}


def _is_checksum(name: str) -> bool:
    return name == MD5 or (name.startswith(PREFIX) and name not in _NOT_CHECKSUMS)


def _decode(name: str, value: str) -> bytes:
    try:
        found = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error) as error:
        raise S3Error("InvalidDigest", f"the checksum {name} is not valid base64") from error
    if len(found) != len(_DIGESTS[name]().digest()):
        raise S3Error("InvalidDigest", f"the checksum {name} has a wrong length")
    return found
