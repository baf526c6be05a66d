"""What names and references of projects must be."""

from __future__ import annotations

from voxome.errors import NotFound
from voxome.relay.accounts import NAME
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.records import Channel, Collection, CoordinateFrame, Experiment, Resource
from voxome.relay.dialects.boss.state import BossState

_DECIDED_BY_SOURCE = {
    Channel: ("name", "public", "base_resolution", "default_time_sample"),
    Experiment: ("name", "num_hierarchy_levels", "hierarchy_method"),
    Collection: ("name",),
    CoordinateFrame: ("name",),
}


def check_name(name: str) -> str:
    """Return `name`, if it is valid."""
    if NAME.fullmatch(name) is None:
        message = f"Invalid name {name!r}: letters, digits, _ and - are expected, at most 255 of them"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
    return name


def check_references(boss: BossState, new: Resource) -> None:
    """Refuse references to what does not exist."""
    if isinstance(new, Experiment):
        try:
            boss.catalogue.get(CoordinateFrame, new.coord_frame)
        except NotFound as error:
            raise Refused(Code.RESOURCE_NOT_FOUND, f"{new.coord_frame} does not exist.") from error
    if isinstance(new, Channel):
        _check_channel(boss, new)


def check_served(boss: BossState, old: Resource, new: Resource) -> None:
    """Refuse changes to what a source of the relay decides."""
    if boss.publication.holds(old):
        changed = [field for field in _DECIDED_BY_SOURCE[type(old)] if getattr(old, field) != getattr(new, field)]
        if changed:
            message = f"{old.name} is, or has, a source of this server: its {', '.join(changed)} cannot be changed"
            raise Refused(Code.INVALID_POST_ARGUMENT, message)


def _check_channel(boss: BossState, new: Channel) -> None:
    experiment = boss.catalogue.get(Experiment, new.collection, new.experiment)
    siblings = boss.catalogue.find(Channel, collection=new.collection, experiment=new.experiment)
    unknown = {*new.sources, *new.related} - {one.name for one in siblings}
    if unknown:
        message = f"Invalid channel names {', '.join(sorted(unknown))} in the list of source/related channels"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
    if new.default_time_sample >= experiment.num_time_samples:
        message = f"default_time_sample {new.default_time_sample}: there are {experiment.num_time_samples} samples"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
    if new.base_resolution >= experiment.num_hierarchy_levels:
        message = f"base_resolution {new.base_resolution}: there are {experiment.num_hierarchy_levels} levels"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
