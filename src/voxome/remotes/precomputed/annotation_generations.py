"""Generations of a collection of annotations: the indices and edits that replaced others in its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from voxome.remotes.precomputed.annotation_metadata import BESIDE
from voxome.remotes.precomputed.info import OWN
from voxome.storage.inside import inside
from voxome.storage.path import StoragePath

_GENERATION = re.compile(r"\d+-[0-9a-f]{8}")
"""Folder with the indices of a collection that replaced another."""


def generation_of(info: Mapping[str, Any]) -> int:
    """Return how often a collection was written in its folder."""
    return int(info.get(OWN, {}).get("generation", 1))


def edits_key(info: Mapping[str, Any]) -> str:
    """Return the name of the file of a collection's edits; those that replace it have other names."""
    key = str((info.get("by_id") or {}).get("key", ""))
    return edits_key_of(key if _GENERATION.fullmatch(key.partition("/")[0]) else "")


def edits_key_of(prefix: str) -> str:
    """Return the name of the file of edits of a generation, by the folder of its indices; empty for the first one."""
    return f"edits.{prefix.partition('/')[0] or 1}.parquet"


def remove_replaced(folder: StoragePath, old: Mapping[str, Any], generation: int, edits: str) -> None:
    """Remove the indices and edits of collections that a generation has replaced, and what killed writers have left.

    Those of later generations stay, as others may be writing them.

    Parameters
    ----------
    folder : StoragePath
        The collection.
    old : mapping
        Metadata that were replaced.
    generation : int
        The new generation.
    edits : str
        Name of the file of its edits.
    """
    entries = folder.entries()
    keys = {name: edits_key_of(name) for name in entries.folders if _GENERATION.fullmatch(name)}
    for name, key in keys.items():
        if key != edits and int(name.partition("-")[0]) <= generation:
            (folder / name).delete()
            (folder / key).unlink()
    (folder / edits_key_of("")).unlink()
    indices = [old.get("by_id"), *(old.get("relationships") or ()), *(old.get("spatial") or ())]
    for key in [str(entry["key"]) for entry in indices if entry]:
        if not _GENERATION.fullmatch(key.partition("/")[0]):
            inside(folder, key).delete()
    beside = old.get(OWN, {}).get(BESIDE)
    if beside:
        inside(folder, str(beside["key"])).unlink()
