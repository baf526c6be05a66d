"""Rename resources, with all records that refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voxome.relay.catalogue.contract import Catalogue, Record
from voxome.relay.dialects.boss.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    Metadatum,
    Resource,
)

_OF_COLLECTION = {"collection": "name"}
_OF_EXPERIMENT = {"collection": "collection", "experiment": "name"}
_OF_CHANNEL = {"collection": "collection", "experiment": "experiment", "channel": "name"}
_REFERENCES: Mapping[type[Any], Mapping[type[Record], Mapping[str, str]]] = {
    Collection: dict.fromkeys((Experiment, Channel, Metadatum, Grant), _OF_COLLECTION),
    Experiment: dict.fromkeys((Channel, Metadatum, Grant), _OF_EXPERIMENT),
    Channel: dict.fromkeys((Metadatum, Grant), _OF_CHANNEL),
    CoordinateFrame: {Experiment: {"coord_frame": "name"}},
}
"""Type of resource → types of records that refer to it → their fields → the fields of it that they equal."""


def rename(catalogue: Catalogue, old: Resource, new: Resource) -> None:
    """Replace `old` by `new`; if its name differs, records in it and references to it are changed too.

    Raises
    ------
    AlreadyExists
        If another resource has the new name.
    """
    if old.key == new.key:
        catalogue.write(remove=[old], add=[new])
        return
    remove: list[Record] = [old]
    add: list[Record] = [new]
    for record_type, fields in _REFERENCES[type(old)].items():
        where = {field: getattr(old, own) for field, own in fields.items()}
        changes = {field: getattr(new, own) for field, own in fields.items()}
        for one in catalogue.find(record_type, **where):
            remove.append(one)
            add.append(replace(one, **changes))
    if isinstance(old, Channel):
        for one in catalogue.find(Channel, collection=old.collection, experiment=old.experiment):
            if old.name in (*one.sources, *one.related):
                remove.append(one)
                add.append(
                    replace(one, sources=_renamed(one.sources, old, new), related=_renamed(one.related, old, new))
                )
    catalogue.write(remove=remove, add=add)


def _renamed(names: tuple[str, ...], old: Resource, new: Resource) -> tuple[str, ...]:
    return tuple(new.name if name == old.name else name for name in names)
