"""A resource under another name: all that points at it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.catalogue.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    Metadatum,
    Record,
    Resource,
)

_OF_COLLECTION = {"collection": "name"}
_OF_EXPERIMENT = {"collection": "collection", "experiment": "name"}
_OF_CHANNEL = {"collection": "collection", "experiment": "experiment", "channel": "name"}
_POINTERS: Mapping[type[Any], Mapping[type[Record], Mapping[str, str]]] = {
    Collection: dict.fromkeys((Experiment, Channel, Metadatum, Grant), _OF_COLLECTION),
    Experiment: dict.fromkeys((Channel, Metadatum, Grant), _OF_EXPERIMENT),
    Channel: dict.fromkeys((Metadatum, Grant), _OF_CHANNEL),
    CoordinateFrame: {Experiment: {"coord_frame": "name"}},
}
"""Kind → kinds that point at it → their fields and the fields of it that they equal."""


def rename(catalogue: Catalogue, old: Resource, new: Resource) -> None:
    """Put `new` in the place of `old`; if it has another name, what lies in it and what names it follow.

    Raises
    ------
    AlreadyExists
        If there is another of that name.
    """
    if old.key == new.key:
        catalogue.write(remove=[old], add=[new])
        return
    remove: list[Record] = [old]
    add: list[Record] = [new]
    for kind, fields in _POINTERS[type(old)].items():
        where = {theirs: getattr(old, ours) for theirs, ours in fields.items()}
        now = {theirs: getattr(new, ours) for theirs, ours in fields.items()}
        for one in catalogue.find(kind, **where):
            remove.append(one)
            add.append(replace(one, **now))
    if isinstance(old, Channel):
        for one in catalogue.find(Channel, collection=old.collection, experiment=old.experiment):
            if old.name in (*one.sources, *one.related):
                remove.append(one)
                add.append(
                    replace(one, sources=_swapped(one.sources, old, new), related=_swapped(one.related, old, new))
                )
    catalogue.write(remove=remove, add=add)


def _swapped(names: tuple[str, ...], old: Resource, new: Resource) -> tuple[str, ...]:
    return tuple(new.name if name == old.name else name for name in names)
