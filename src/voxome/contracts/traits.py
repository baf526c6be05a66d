"""Format properties needed to create a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class FormatTraits:
    """Facts about a format that its remote declares; the defaults hold for most.

    Attributes
    ----------
    suffix : str
        End of the name of a new volume, as in ``.zarr``; empty where names have none.
    chunk_edge : int
        Edge length of chunks to create, in voxels.
    one_piece : bool
        Whether the format stores arrays in one piece unless a chunk is requested.
    codec_option : str
        Encoding option that names the codec.
    lossy_codecs : frozenset of str
        Codecs that change voxels.
    creates_levels : bool
        Whether coarser levels can be added to a volume.
    one_process : bool
        Whether only the process that created a volume can open it.
    """

    suffix: str = ""
    chunk_edge: int = 64
    one_piece: bool = False
    codec_option: str = "codec"
    lossy_codecs: frozenset[str] = frozenset()
    creates_levels: bool = False
    one_process: bool = False


@runtime_checkable
class SupportsFormatTraits(Protocol):
    """A remote that declares facts about its format; any other has the defaults."""

    @property
    def traits(self) -> FormatTraits:
        """Facts about the format."""
