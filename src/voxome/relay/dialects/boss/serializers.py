"""Records as the JSON of BossDB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from voxome.relay.accounts import Caller
from voxome.relay.dialects.boss.access import Access
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment, Resource

Json = dict[str, Any]
_INTERNAL = ("collection", "served", "next_id", "uid")
"""Fields of a channel that clients do not see."""


def _collection(one: Collection, caller: Caller, access: Access) -> Json:
    """Return a collection with the names of its experiments that the caller may read."""
    contents = access.catalogue.find(Experiment, collection=one.name)
    served = {key[1] for key in access.publication.listed(caller, one.name)}
    return asdict(one) | {"experiments": sorted({*readable_names(contents, caller, access), *served})}


def _frame(one: CoordinateFrame, caller: Caller, access: Access) -> Json:
    """Return a coordinate frame."""
    return asdict(one)


def _experiment(one: Experiment, caller: Caller, access: Access) -> Json:
    """Return an experiment with the names of its channels that the caller may read."""
    contents = access.catalogue.find(Channel, collection=one.collection, experiment=one.name)
    served = {key[2] for key in access.publication.listed(caller, one.collection, one.name)}
    return asdict(one) | {"channels": sorted({*readable_names(contents, caller, access), *served})}


def _channel(one: Channel, caller: Caller, access: Access) -> Json:
    """Return a channel; its voxels are always sent by this server."""
    shown = {name: value for name, value in asdict(one).items() if name not in _INTERNAL}
    return shown | {"storage_type": "spdb", "bucket": None, "cv_path": None}


def readable_names(resources: list[Any], caller: Caller, access: Access) -> list[str]:
    """Return the names of the resources that the caller may read."""
    return [one.name for one in resources if access.lists(caller, one)]


_SERIALIZERS: dict[type[Any], Callable[[Any, Caller, Access], Json]] = {
    Collection: _collection, CoordinateFrame: _frame, Experiment: _experiment, Channel: _channel,
}  # fmt: skip


def to_json(one: Resource, caller: Caller, access: Access) -> Json:
    """Return the JSON of a resource, as the caller may see it."""
    return _SERIALIZERS[type(one)](one, caller, access)
