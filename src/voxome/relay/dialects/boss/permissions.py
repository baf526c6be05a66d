"""``permissions``: the permissions of groups on collections, experiments and channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from voxome.errors import NotFound
from voxome.relay.accounts import ADMIN, PUBLIC, Group
from voxome.relay.dialects.boss.access import PUBLIC_PERMISSIONS, permissions_of
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.records import PARTS, Grant, Resource, names_of
from voxome.relay.dialects.boss.roles import RESOURCE_MANAGER


class GrantSchema(BaseModel):
    """``POST`` and ``PATCH permissions``."""

    group: str
    permissions: tuple[str, ...]
    collection: str
    experiment: str = ""
    channel: str = ""


def to_json(grant: Grant) -> dict[str, object]:
    """Return the JSON of a grant, without empty names."""
    where = {name: getattr(grant, name) for name in PARTS if getattr(grant, name)}
    return {"group": grant.group, **where, "permissions": list(grant.permissions)}


def get(call: Call) -> Response:
    """List the grants of the caller's groups, or of ``?group=``; all, or those on ``?collection=…``."""
    where = {name: call.query[name] for name in PARTS if call.query.get(name)}
    if where:
        where = names_of(call.resource(**where))
    if "group" in call.query:
        _require_membership(call, call.query["group"])
        where["group"] = call.query["group"]
    found = call.boss.catalogue.find(Grant, **where)
    visible = [one for one in found if call.caller.is_admin or one.group in call.caller.groups]
    return JSONResponse({"permission-sets": [to_json(one) for one in visible]})


def post(call: Call) -> Response:
    """Give a group additional permissions."""
    grant = _requested(call, "assign_group")
    old = call.boss.catalogue.find(Grant, **_key(grant))
    _replace(call, old, grant, {*grant.permissions, *(name for one in old for name in one.permissions)})
    return Response(status_code=201)


def patch(call: Call) -> Response:
    """Set the permissions of a group."""
    grant = _requested(call, "assign_group", "remove_group")
    _replace(call, call.boss.catalogue.find(Grant, **_key(grant)), grant, set(grant.permissions))
    return Response(status_code=200)


def delete(call: Call) -> Response:
    """Remove all permissions of a group on a resource."""
    call.require_role(RESOURCE_MANAGER)
    where = {name: call.query.get(name, "") for name in PARTS}
    resource = call.resource(where["collection"], where["experiment"], where["channel"])
    _require_membership(call, call.argument("group"))
    call.require_permission("remove_group", resource)
    call.boss.catalogue.write(remove=call.boss.catalogue.find(Grant, group=call.query["group"], **where))
    return Response(status_code=204)


def _requested(call: Call, *needed: str) -> Grant:
    call.require_role(RESOURCE_MANAGER)
    requested = call.parse_body(GrantSchema)
    resource = call.resource(requested.collection, requested.experiment, requested.channel)
    _require_membership(call, requested.group)
    _check_permissions(requested, resource)
    for permission in needed:
        call.require_permission(permission, resource)
    return Grant(**requested.model_dump())


def _check_permissions(requested: GrantSchema, resource: Resource) -> None:
    unknown = set(requested.permissions) - set(permissions_of(resource))
    if unknown:
        message = f"Invalid permissions {', '.join(sorted(unknown))}; valid are {', '.join(permissions_of(resource))}"
        raise Refused(Code.UNRECOGNIZED_PERMISSION, message)
    if requested.group == PUBLIC and not set(requested.permissions) <= set(PUBLIC_PERMISSIONS):
        raise Refused(Code.INVALID_POST_ARGUMENT, "The public group can only have read permissions")


def _require_membership(call: Call, group: str) -> None:
    try:
        if group not in (ADMIN, PUBLIC):
            call.boss.catalogue.get(Group, group)
    except NotFound as error:
        raise Refused(Code.GROUP_NOT_FOUND, f"{group} does not exist.") from error
    if group not in call.caller.groups and not call.caller.is_admin:
        message = f"The user {call.caller.name} is not a member or maintainer of the group {group}"
        raise Refused(Code.MISSING_PERMISSION, message)


def _key(grant: Grant) -> Mapping[str, str]:
    return dict(zip(Grant.KEY, grant.key, strict=True))


def _replace(call: Call, old: list[Grant], grant: Grant, permissions: set[str]) -> None:
    new = replace(grant, permissions=tuple(sorted(permissions)))
    call.boss.catalogue.write(remove=old, add=[new])
