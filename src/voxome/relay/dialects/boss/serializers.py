"""Records as the JSON of BossDB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from voxome.relay.access import Access, Caller
from voxome.relay.catalogue.records import Channel, Collection, CoordinateFrame, Experiment, Resource

Json = dict[str, Any]


def collection(one: Collection, caller: Caller, access: Access) -> Json:
    """With the names of the experiments that the caller may read."""
    inside = access.catalogue.find(Experiment, collection=one.name)
    return asdict(one) | {"experiments": readable(inside, caller, access)}


def frame(one: CoordinateFrame, caller: Caller, access: Access) -> Json:
    """As it is."""
    return asdict(one)


def experiment(one: Experiment, caller: Caller, access: Access) -> Json:
    """With the names of the channels that the caller may read."""
    inside = access.catalogue.find(Channel, collection=one.collection, experiment=one.name)
    return asdict(one) | {"channels": readable(inside, caller, access)}


def channel(one: Channel, caller: Caller, access: Access) -> Json:
    """With where it is stored: always with this server."""
    shown = {name: value for name, value in asdict(one).items() if name not in ("uid", "next_id", "collection")}
    return shown | {"storage_type": "spdb", "bucket": None, "cv_path": None}


def readable(resources: list[Any], caller: Caller, access: Access) -> list[str]:
    """The names of those that the caller may read."""
    return [one.name for one in resources if access.allows(caller, "read", one)]


VIEWS: dict[type[Any], Callable[[Any, Caller, Access], Json]] = {
    Collection: collection, CoordinateFrame: frame, Experiment: experiment, Channel: channel,
}  # fmt: skip


def view(one: Resource, caller: Caller, access: Access) -> Json:
    """The JSON of a resource, as the caller may see it."""
    return VIEWS[type(one)](one, caller, access)
