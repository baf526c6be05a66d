"""``collection`` and ``coord``: what there is, made, changed and deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.catalogue.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    Metadatum,
    Record,
    Resource,
    place,
)
from voxome.relay.catalogue.rename import rename
from voxome.relay.dialects.boss import schemas
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.serializers import readable, view
from voxome.relay.relay import Relay

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(frozen=True)
class Kind:
    """One kind of resource: how it is made and changed, where it lies, what lies in it.

    Attributes
    ----------
    parents : mapping
        Field of the record → part of the URL, outermost first.
    inside : (kind, mapping) or None
        What must be gone before it goes: a kind of record, and its field → the field of this one that it equals.
    """

    record: Any
    part: str
    plural: str
    new: type[BaseModel]
    changed: type[BaseModel]
    parents: tuple[str, ...] = ()
    inside: tuple[Any, Mapping[str, str]] | None = None

    def key(self, call: Call) -> tuple[str, ...]:
        """Of what the path names."""
        return (*(call.path[parent] for parent in self.parents), call.path[self.part])

    def find(self, call: Call) -> Any:
        """What the path names.

        Raises
        ------
        Refused
            If it is not there.
        """
        try:
            return call.relay.catalogue.get(self.record, *self.key(call))
        except NotFound as error:
            raise Refused(Code.RESOURCE_NOT_FOUND, f"{call.path[self.part]} does not exist.") from error


COLLECTION = Kind(
    Collection, "collection", "collections", schemas.NewCollection, schemas.ChangedCollection,
    inside=(Experiment, {"collection": "name"}),
)  # fmt: skip
FRAME = Kind(
    CoordinateFrame, "coord", "coords", schemas.NewFrame, schemas.ChangedFrame,
    inside=(Experiment, {"coord_frame": "name"}),
)  # fmt: skip
EXPERIMENT = Kind(
    Experiment, "experiment", "experiments", schemas.NewExperiment, schemas.ChangedExperiment, ("collection",),
    inside=(Channel, {"collection": "collection", "experiment": "name"}),
)  # fmt: skip
CHANNEL = Kind(
    Channel, "channel", "channels", schemas.NewChannel, schemas.ChangedChannel, ("collection", "experiment")
)  # fmt: skip
_PARENT = {EXPERIMENT.part: COLLECTION, CHANNEL.part: EXPERIMENT}


def index(kind: Kind) -> Callable[[Call], Response]:
    """List the names of all of `kind` that the caller may read."""

    def get(call: Call) -> Response:
        if kind.part in _PARENT:
            _PARENT[kind.part].find(call)
        within = {parent: call.path[parent] for parent in kind.parents}
        found = call.relay.catalogue.find(kind.record, **within)
        return JSONResponse({kind.plural: readable(found, call.caller, call.relay.access)})

    return get


def get(kind: Kind) -> Callable[[Call], Response]:
    """Describe one."""

    def get(call: Call) -> Response:
        found = kind.find(call)
        call.must_be_allowed("read", found)
        return _shown(call, found, 200)

    return get


def post(kind: Kind) -> Callable[[Call], Response]:
    """Make one."""

    def post(call: Call) -> Response:
        call.must_have_role("resource-manager")
        fields = call.document(kind.new).model_dump()
        within = {parent: call.path[parent] for parent in kind.parents}
        name = valid_name(call.path[kind.part])
        with call.relay.changing, _unique(kind, name):
            if kind.part in _PARENT:
                call.must_be_allowed("add", _PARENT[kind.part].find(call))
            made = kind.record(**fields, **within, name=name, creator=call.caller.name)
            _check(call.relay, made)
            call.relay.catalogue.write(add=[made])
        return _shown(call, made, 201)

    return post


def put(kind: Kind) -> Callable[[Call], Response]:
    """Change one, its name too."""

    def put(call: Call) -> Response:
        changes = call.document(kind.changed).model_dump(exclude_none=True)
        with call.relay.changing, _unique(kind, changes.get("name", "")):
            found = kind.find(call)
            call.must_be_allowed("update", found)
            new = replace(found, **changes)
            valid_name(new.name)
            _check(call.relay, new)
            rename(call.relay.catalogue, found, new)
        return _shown(call, new, 200)

    return put


def delete(kind: Kind) -> Callable[[Call], Response]:
    """Delete one, with its metadata, permissions and voxels."""

    def delete(call: Call) -> Response:
        call.must_have_role("resource-manager")
        with call.relay.changing:
            found = kind.find(call)
            call.must_be_allowed("delete", found)
            _refuse_in_use(call.relay, kind, found)
            call.relay.catalogue.write(remove=[*_belongings(call.relay, found), found])
        if isinstance(found, Channel):
            call.relay.voxels.forget(found, range(10))
        return Response(status_code=204)

    return delete


@contextmanager
def _unique(kind: Kind, name: str) -> Iterator[None]:
    try:
        yield
    except AlreadyExists as error:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"{kind.part} {name} already exists") from error


def _shown(call: Call, resource: Resource, status: int) -> Response:
    return JSONResponse(view(resource, call.caller, call.relay.access), status)


def valid_name(name: str) -> str:
    """Refuse a name that is none."""
    if NAME.fullmatch(name) is None:
        message = f"Invalid name {name!r}: letters, digits, _ and - are expected, at most 255 of them"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
    return name


def _check(relay: Relay, made: Resource) -> None:
    """Refuse what points at something that is not there."""
    if isinstance(made, Experiment):
        try:
            relay.catalogue.get(CoordinateFrame, made.coord_frame)
        except NotFound as error:
            raise Refused(Code.RESOURCE_NOT_FOUND, f"{made.coord_frame} does not exist.") from error
    if isinstance(made, Channel):
        _check_channel(relay, made)


def _check_channel(relay: Relay, made: Channel) -> None:
    experiment = relay.catalogue.get(Experiment, made.collection, made.experiment)
    siblings = relay.catalogue.find(Channel, collection=made.collection, experiment=made.experiment)
    unknown = {*made.sources, *made.related} - {one.name for one in siblings}
    if unknown:
        message = f"Invalid channel names {', '.join(sorted(unknown))} in the list of source/related channels"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
    if made.default_time_sample >= experiment.num_time_samples:
        message = f"default_time_sample {made.default_time_sample}: there are {experiment.num_time_samples} samples"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)
    if made.base_resolution >= experiment.num_hierarchy_levels:
        message = f"base_resolution {made.base_resolution}: there are {experiment.num_hierarchy_levels} levels"
        raise Refused(Code.INVALID_POST_ARGUMENT, message)


def _refuse_in_use(relay: Relay, kind: Kind, found: Any) -> None:
    if kind.inside is not None:
        record, fields = kind.inside
        users = relay.catalogue.find(record, **{theirs: getattr(found, ours) for theirs, ours in fields.items()})
    else:
        siblings = relay.catalogue.find(Channel, collection=found.collection, experiment=found.experiment)
        users = [one for one in siblings if found.name in one.sources]
    if users:
        names = ", ".join(one.name for one in users[:5])
        message = f"{found.name} cannot be deleted: {names} reference it. Delete them first."
        raise Refused(Code.INTEGRITY_ERROR, message)


def _belongings(relay: Relay, found: Resource) -> list[Record]:
    if isinstance(found, CoordinateFrame):
        return []
    where = dict(zip(("collection", "experiment", "channel"), place(found), strict=True))
    return [*relay.catalogue.find(Metadatum, **where), *relay.catalogue.find(Grant, **where)]
