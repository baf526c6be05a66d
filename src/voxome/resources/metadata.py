"""Metadata of a volume as a live mapping, in any store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.abilities import SupportsAttributes, SupportsMetadata, ability
from voxome.contracts.source import VolumeSource
from voxome.errors import UnsupportedFormat


class Attributes(Mapping[str, Any]):
    """JSON attributes of a source; assigning one changes the store."""

    def __init__(self, source: VolumeSource) -> None:
        self._source = source

    def __getitem__(self, name: str) -> Any:
        return self._source.spec.attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._source.spec.attributes)

    def __len__(self) -> int:
        return len(self._source.spec.attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        writable = ability(self._source, SupportsAttributes)
        if writable is None:
            raise UnsupportedFormat(f"cannot set {name!r}: this format does not store attributes; zarr and N5 do")
        writable.update_attributes({name: value})

    def __repr__(self) -> str:
        return repr(dict(self))


def metadata(source: VolumeSource) -> Mapping[str, Any]:
    """Return the metadata of `source` in its store, or else its attributes."""
    stored = ability(source, SupportsMetadata)
    return Attributes(source) if stored is None else stored.metadata
