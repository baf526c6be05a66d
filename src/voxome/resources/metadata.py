"""Names and values about a volume, live, whatever its store calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxome.contracts.abilities import SupportsAttributes, SupportsMetadata, ability
from voxome.contracts.source import VolumeSource
from voxome.errors import UnsupportedFormat


class Attributes(Mapping[str, Any]):
    """The JSON attributes of a source; setting one changes the store."""

    def __init__(self, source: VolumeSource) -> None:
        self._source = source

    def __getitem__(self, name: str) -> Any:
        return self._source.spec.attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._source.spec.attributes)

    def __len__(self) -> int:
        return len(self._source.spec.attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        able = ability(self._source, SupportsAttributes)
        if able is None:
            raise UnsupportedFormat(f"this format has no place for attributes: {name!r} was not set")
        able.update_attributes({name: value})

    def __repr__(self) -> str:
        return repr(dict(self))


def metadata(source: VolumeSource) -> Mapping[str, Any]:
    """What the store knows of `source` by name: its own metadata, or else its attributes."""
    own = ability(source, SupportsMetadata)
    return Attributes(source) if own is None else own.metadata
