"""Single files of meshes and skeletons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from voxome.contracts.shapes import Mesh, Skeleton

UNITS: Mapping[str, float] = {"nm": 1.0, "um": 1e3, "mm": 1e6}
"""Unit of a file → nm."""


@runtime_checkable
class SupportsShapeFiles(Protocol):
    """A remote of folders with a file for each mesh or skeleton, which also reads and writes single files."""

    @property
    def file_suffixes(self) -> tuple[str, ...]:
        """Ends of the names of the files that it reads, in lower case: ``.ply``."""

    def decode_file(self, name: str, data: bytes, unit: str | None = None) -> Mesh | Skeleton:
        """Decode a file; its format follows from the suffix of its name.

        Parameters
        ----------
        name : str
            Name of the file.
        data : bytes
            Its content.
        unit : str or None
            One of `UNITS`; None for the one that the file states, or its format has.

        Raises
        ------
        UnsupportedFormat, CorruptData
            If it cannot be read.
        InvalidInput
            If a unit is given although the format has one.
        """

    def encode_file(self, name: str, shape: Mesh | Skeleton) -> bytes:
        """Encode a mesh or skeleton for a file; the format follows from the suffix of its name.

        Raises
        ------
        UnsupportedFormat
            If voxome does not write such files, or the format is none of such shapes.
        """
