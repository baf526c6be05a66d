"""Provenance of a channel: one metadata key for each entry, so that none overwrites another."""

from __future__ import annotations

import json
from time import time_ns
from uuid import uuid4

from voxome.contracts.provenance import ATTRIBUTE, Provenance
from voxome.remotes.bossdb.metadata import Metadata
from voxome.remotes.http import fan_out
from voxome.remotes.provenance_json import entry_json, parse_entry

_OF_OTHERS = ("provenance", "history")
_WORKERS = 4


def read_provenance(metadata: Metadata) -> tuple[Provenance, ...]:
    """Return the entries among the metadata of a channel: those of others, then ours, oldest first."""
    keys = sorted(metadata)
    names = [*(key for key in _OF_OTHERS if key in keys), *(key for key in keys if key.startswith(ATTRIBUTE))]
    texts = fan_out(metadata.__getitem__, names, workers=_WORKERS)
    return tuple(_parse(name, text) for name, text in zip(names, texts, strict=True))


def add_provenance(metadata: Metadata, one: Provenance) -> None:
    """Store an entry under a key of its own."""
    key = f"{ATTRIBUTE}.{one.time}.{time_ns()}.{uuid4().hex[:8]}"
    metadata[key] = json.dumps(entry_json(one), separators=(",", ":"))


def _parse(name: str, text: str) -> Provenance:
    try:
        return parse_entry(json.loads(text), f"metadata {name}")
    except (ValueError, RecursionError):
        return Provenance.of_others(f"metadata {name}", text)
