"""``collection`` and ``coord``: list, create, change and delete resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists
from voxome.relay.catalogue.contract import Record
from voxome.relay.dialects.boss import schemas
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.checks import check_name, check_references, check_served
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.names import ChannelKey, frame_name
from voxome.relay.dialects.boss.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    Metadatum,
    Resource,
    names_of,
)
from voxome.relay.dialects.boss.rename import rename
from voxome.relay.dialects.boss.roles import RESOURCE_MANAGER
from voxome.relay.dialects.boss.serializers import readable_names, to_json
from voxome.relay.dialects.boss.state import BossState


@dataclass(frozen=True)
class ResourceType:
    """A type of resource: its record, its schemas, its parents and contents.

    Attributes
    ----------
    parents : tuple of str
        Parts of the URL that lead to it, outermost first.
    contents : (record type, mapping) or None
        Records that must be deleted first: their type, and their field → the field of this resource that it equals.
    name_of : function
        Returns the name of the resource of this type that a channel is, or is in.
    """

    record: Any
    part: str
    plural: str
    new: type[BaseModel]
    changed: type[BaseModel]
    name_of: Callable[[ChannelKey], str]
    parents: tuple[str, ...] = ()
    contents: tuple[Any, Mapping[str, str]] | None = None

    def key(self, call: Call) -> tuple[str, ...]:
        """Return the key of the resource that the path names."""
        return (*(call.path[parent] for parent in self.parents), call.path[self.part])

    def find(self, call: Call) -> Any:
        """Return the resource that the path names.

        Raises
        ------
        Refused
            If it does not exist.
        """
        return call.find(self.record, *self.key(call))


COLLECTION = ResourceType(
    Collection, "collection", "collections", schemas.NewCollection, schemas.ChangedCollection, itemgetter(0),
    contents=(Experiment, {"collection": "name"}),
)  # fmt: skip
FRAME = ResourceType(
    CoordinateFrame, "coord", "coords", schemas.NewFrame, schemas.ChangedFrame,
    lambda key: frame_name(*key[:2]),
    contents=(Experiment, {"coord_frame": "name"}),
)  # fmt: skip
EXPERIMENT = ResourceType(
    Experiment, "experiment", "experiments", schemas.NewExperiment, schemas.ChangedExperiment, itemgetter(1),
    ("collection",),
    contents=(Channel, {"collection": "collection", "experiment": "name"}),
)  # fmt: skip
CHANNEL = ResourceType(
    Channel, "channel", "channels", schemas.NewChannel, schemas.ChangedChannel, itemgetter(2),
    ("collection", "experiment"),
)  # fmt: skip
_PARENT = {EXPERIMENT.part: COLLECTION, CHANNEL.part: EXPERIMENT}


def index(resource_type: ResourceType) -> Callable[[Call], Response]:
    """Return the handler that lists the names of resources that the caller may read."""

    def get(call: Call) -> Response:
        if resource_type.part in _PARENT:
            _PARENT[resource_type.part].find(call)
        within = {parent: call.path[parent] for parent in resource_type.parents}
        found = call.boss.catalogue.find(resource_type.record, **within)
        names = readable_names(found, call.caller, call.boss.access)
        served = call.boss.publication.listed(call.caller, **within)
        return JSONResponse({resource_type.plural: sorted({*names, *map(resource_type.name_of, served)})})

    return get


def get(resource_type: ResourceType) -> Callable[[Call], Response]:
    """Return the handler that sends a resource."""

    def get(call: Call) -> Response:
        found = resource_type.find(call)
        call.require_permission("read", found)
        return _response(call, found, 200)

    return get


def post(resource_type: ResourceType) -> Callable[[Call], Response]:
    """Return the handler that creates a resource."""

    def post(call: Call) -> Response:
        call.require_role(RESOURCE_MANAGER)
        fields = call.parse_body(resource_type.new).model_dump()
        within = {parent: call.path[parent] for parent in resource_type.parents}
        name = check_name(call.path[resource_type.part])
        with call.boss.locked(), _unique(resource_type, name):
            if resource_type.part in _PARENT:
                call.require_permission("add", _PARENT[resource_type.part].find(call))
            new = resource_type.record(**fields, **within, name=name, creator=call.caller.name)
            check_references(call.boss, new)
            if call.boss.publication.holds(new):
                raise AlreadyExists(name)
            call.boss.catalogue.write(remove=call.boss.publication.leftovers(new), add=[new])
        return _response(call, new, 201)

    return post


def put(resource_type: ResourceType) -> Callable[[Call], Response]:
    """Return the handler that changes a resource, its name too."""

    def put(call: Call) -> Response:
        changes = call.parse_body(resource_type.changed).model_dump(exclude_none=True)
        with call.boss.locked(), _unique(resource_type, changes.get("name", "")):
            found = resource_type.find(call)
            call.require_permission("update", found)
            new = replace(found, **changes)
            check_name(new.name)
            check_references(call.boss, new)
            check_served(call.boss, found, new)
            rename(call.boss.catalogue, found, new)
        return _response(call, new, 200)

    return put


def delete(resource_type: ResourceType) -> Callable[[Call], Response]:
    """Return the handler that deletes a resource with its metadata, permissions and voxels."""

    def delete(call: Call) -> Response:
        call.require_role(RESOURCE_MANAGER)
        with call.boss.locked():
            found = resource_type.find(call)
            call.require_permission("delete", found)
            _check_unused(call.boss, resource_type, found)
            call.boss.catalogue.write(remove=[*_attached_records(call.boss, found), found])
        if isinstance(found, Channel):
            call.boss.voxels.delete(found, range(10))
        return Response(status_code=204)

    return delete


@contextmanager
def _unique(resource_type: ResourceType, name: str) -> Iterator[None]:
    try:
        yield
    except AlreadyExists as error:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"{resource_type.part} {name} already exists") from error


def _response(call: Call, resource: Resource, status: int) -> Response:
    return JSONResponse(to_json(resource, call.caller, call.boss.access), status)


def _check_unused(boss: BossState, resource_type: ResourceType, found: Any) -> None:
    if boss.publication.holds(found):
        raise Refused(Code.INTEGRITY_ERROR, f"{found.name} cannot be deleted: it has sources of this server")
    if resource_type.contents is not None:
        record, fields = resource_type.contents
        users = boss.catalogue.find(record, **{field: getattr(found, own) for field, own in fields.items()})
    else:
        siblings = boss.catalogue.find(Channel, collection=found.collection, experiment=found.experiment)
        users = [one for one in siblings if found.name in one.sources]
    if users:
        names = ", ".join(one.name for one in users[:5])
        message = f"{found.name} cannot be deleted: {names} reference it. Delete them first."
        raise Refused(Code.INTEGRITY_ERROR, message)


def _attached_records(boss: BossState, found: Resource) -> list[Record]:
    if isinstance(found, CoordinateFrame):
        return []
    where = names_of(found)
    return [*boss.catalogue.find(Metadatum, **where), *boss.catalogue.find(Grant, **where)]
