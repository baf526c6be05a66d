"""The files of a precomputed volume: those to which its metadata lead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from voxome.remotes.decompression import SUFFIXES
from voxome.remotes.precomputed.folders import INFO
from voxome.remotes.precomputed.info import check_members, parsing, whole_numbers
from voxome.remotes.precomputed.layers import LINKS
from voxome.remotes.precomputed.provenance import FILE as PROVENANCE
from voxome.storage.inside import inside
from voxome.storage.json_store import read_json
from voxome.storage.path import StoragePath

_COMPRESSED = f"({'|'.join(map(re.escape, SUFFIXES))})?"
_METADATA = f"({re.escape(INFO)}|{re.escape(PROVENANCE)})"
_CHUNK = r"-?\d+--?\d+_-?\d+--?\d+_-?\d+--?\d+"
_SHARD = r"[\da-f]+\.(shard|index|data)"
_SHAPE = rf"\d+(\.index|:\d+(:[-_\d]+)?)?|[-_:\d]+\.(frags|spatial|segidx)|{_SHARD}"
"""Names of meshes, skeletons and cloud-volume's indices of them."""


def own_files(folder: StoragePath, info: Mapping[str, Any]) -> str:
    """Return a regular expression for the paths of the files of a volume with metadata `info`, relative to `folder`."""
    return "|".join([_METADATA, *_scales(folder, info), *_linked(folder, info, "")])


def _scales(folder: StoragePath, info: Mapping[str, Any]) -> Iterator[str]:
    with parsing(str(folder)):
        whole = whole_numbers(info)
        for number, scale in enumerate(whole["scales"]):
            check_members(whole, number)
            names = _SHARD if scale.get("sharding") else _CHUNK
            yield f"{_escape(scale['key'])}/({names}){_COMPRESSED}"


def _linked(folder: StoragePath, info: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the paths of the files in the folders of shapes and properties that metadata name, and in theirs."""
    for key in LINKS:
        link = info.get(key)
        if not link or _escape(str(link)) == ".":
            continue
        below = inside(folder, str(link))
        linked = read_json(below, INFO) or {}
        if "scales" in linked:  # a volume of its own
            continue
        here = f"{prefix}{_escape(str(link))}/"
        yield f"{here}({_METADATA}|({_SHAPE}){_COMPRESSED})" if key != "segment_properties" else here + _METADATA
        yield from _linked(below, linked, here)


def _escape(path: str) -> str:
    return re.escape(str(PurePosixPath(path)))
