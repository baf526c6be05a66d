"""``permissions``: what groups may do with collections, experiments and channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from voxome.errors import NotFound
from voxome.relay.access import ADMIN, OF_EVERYBODY, PUBLIC, permissions_of
from voxome.relay.catalogue.records import Grant, Group, Resource, place
from voxome.relay.dialects.boss.call import Call, resource_at
from voxome.relay.dialects.boss.errors import Code, Refused

_PLACES = ("collection", "experiment", "channel")


class Wanted(BaseModel):
    """``POST`` and ``PATCH permissions``."""

    group: str
    permissions: tuple[str, ...]
    collection: str
    experiment: str = ""
    channel: str = ""


def shown(grant: Grant) -> dict[str, object]:
    """The JSON of a grant; names that it has not are left out."""
    where = {name: getattr(grant, name) for name in _PLACES if getattr(grant, name)}
    return {"group": grant.group, **where, "permissions": list(grant.permissions)}


def get(call: Call) -> Response:
    """All grants of the caller's groups, or those of ``?group=``, everywhere or on ``?collection=…``."""
    where = {name: call.query[name] for name in _PLACES if call.query.get(name)}
    if where:
        resource = resource_at(call.relay, **where)
        where = dict(zip(_PLACES, place(resource), strict=True))
    if "group" in call.query:
        _must_be_in(call, call.query["group"])
        where["group"] = call.query["group"]
    found = call.relay.catalogue.find(Grant, **where)
    mine = [one for one in found if call.caller.is_admin or one.group in call.caller.groups]
    return JSONResponse({"permission-sets": [shown(one) for one in mine]})


def post(call: Call) -> Response:
    """Give a group more permissions."""
    wanted = _wanted(call, "assign_group")
    old = call.relay.catalogue.find(Grant, **_names(wanted))
    _replace(call, old, {*wanted.permissions, *(name for one in old for name in one.permissions)}, wanted)
    return Response(status_code=201)


def patch(call: Call) -> Response:
    """Give a group these permissions and no others."""
    wanted = _wanted(call, "assign_group", "remove_group")
    _replace(call, call.relay.catalogue.find(Grant, **_names(wanted)), set(wanted.permissions), wanted)
    return Response(status_code=200)


def delete(call: Call) -> Response:
    """Take all permissions on a resource from a group."""
    call.must_have_role("resource-manager")
    where = {name: call.query.get(name, "") for name in _PLACES}
    resource = resource_at(call.relay, where["collection"], where["experiment"], where["channel"])
    _must_be_in(call, call.asked("group"))
    call.must_be_allowed("remove_group", resource)
    call.relay.catalogue.write(remove=call.relay.catalogue.find(Grant, group=call.query["group"], **where))
    return Response(status_code=204)


def _wanted(call: Call, *needed: str) -> Grant:
    call.must_have_role("resource-manager")
    given = call.document(Wanted)
    resource = resource_at(call.relay, given.collection, given.experiment, given.channel)
    _must_be_in(call, given.group)
    _check_names(given, resource)
    for permission in needed:
        call.must_be_allowed(permission, resource)
    return Grant(**given.model_dump())


def _check_names(given: Wanted, resource: Resource) -> None:
    unknown = set(given.permissions) - set(permissions_of(resource))
    if unknown:
        message = f"Invalid permissions {', '.join(sorted(unknown))}; there are {', '.join(permissions_of(resource))}"
        raise Refused(Code.UNRECOGNIZED_PERMISSION, message)
    if given.group == PUBLIC and not set(given.permissions) <= set(OF_EVERYBODY):
        raise Refused(Code.INVALID_POST_ARGUMENT, "The public group can only have read permissions")


def _must_be_in(call: Call, group: str) -> None:
    try:
        if group not in (ADMIN, PUBLIC):
            call.relay.catalogue.get(Group, group)
    except NotFound as error:
        raise Refused(Code.GROUP_NOT_FOUND, f"{group} does not exist.") from error
    if group not in call.caller.groups and not call.caller.is_admin:
        message = f"The user {call.caller.name} is not a member or maintainer of the group {group}"
        raise Refused(Code.MISSING_PERMISSION, message)


def _names(grant: Grant) -> Mapping[str, str]:
    return dict(zip(Grant.KEY, grant.key, strict=True))


def _replace(call: Call, old: list[Grant], permissions: set[str], wanted: Grant) -> None:
    new = replace(wanted, permissions=tuple(sorted(permissions)))
    call.relay.catalogue.write(remove=old, add=[new])
