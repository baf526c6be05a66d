"""What a caller must know of a format before it creates a volume in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class FormatTraits:
    """Facts about a format that its remote declares; the defaults hold for most.

    Attributes
    ----------
    chunk_edge : int or None
        Edge length of chunks to create, in voxels, if the format stores arrays in one piece by default.
    codec_option : str
        Encoding option that names the codec.
    one_process : bool
        Whether only the process that created a volume can open it.
    """

    chunk_edge: int | None = None
    codec_option: str = "codec"
    one_process: bool = False


@runtime_checkable
class SupportsFormatTraits(Protocol):
    """A remote that declares facts about its format; any other has the defaults."""

    @property
    def traits(self) -> FormatTraits:
        """Facts about the format."""
