"""``groups``: users together, their members and maintainers."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.access import ADMIN, PUBLIC
from voxome.relay.catalogue.records import Grant, Group, Membership, User
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.permissions import shown
from voxome.relay.dialects.boss.projects import valid_name

_RANKS = ("member", "maintainer")


def index(call: Call) -> Response:
    """The caller's groups; of those that ``?filter=`` names only where they have that rank."""
    asked = call.query.get("filter")
    if asked not in (None, *_RANKS):
        raise Refused(Code.UNABLE_TO_VALIDATE, f"filter is one of {', '.join(_RANKS)}, not {asked}")
    mine = call.relay.catalogue.find(Membership, user=call.caller.name)
    names = {one.group for one in mine if asked in (None, one.rank)}
    if asked is None and call.caller.is_admin:
        names |= {one.name for one in call.relay.catalogue.find(Group)}
    return JSONResponse({"groups": sorted(names)})


def get(call: Call) -> Response:
    """Name, owner, and what the group may do."""
    group = _group(call)
    grants = call.relay.catalogue.find(Grant, group=group.name)
    return JSONResponse({"name": group.name, "owner": group.owner, "resources": [shown(one) for one in grants]})


def post(call: Call) -> Response:
    """Make a group; the caller is its first member and maintainer."""
    call.must_have_role("resource-manager")
    name, owner = valid_name(call.path["group"]), call.caller.name
    ranks = [Membership(group=name, user=owner, rank=rank) for rank in _RANKS]
    try:
        if name in (ADMIN, PUBLIC):
            raise AlreadyExists(name)
        call.relay.catalogue.write(add=[Group(name=name, owner=owner), *ranks])
    except AlreadyExists as error:
        raise Refused(Code.GROUP_EXISTS, f"A group with name {name} already exists") from error
    return Response(status_code=201)


def delete(call: Call) -> Response:
    """Delete a group, and what it was permitted."""
    call.must_have_role("resource-manager")
    group = _group(call)
    if group.owner != call.caller.name and not call.caller.is_admin:
        raise Refused(Code.MISSING_PERMISSION, f"only {group.owner}, who made it, may delete the group {group.name}")
    catalogue = call.relay.catalogue
    rest = [*catalogue.find(Membership, group=group.name), *catalogue.find(Grant, group=group.name)]
    catalogue.write(remove=[*rest, group])
    return Response(status_code=204)


def people(rank: str) -> Callable[[Call], Response]:
    """List the members, or the maintainers."""

    def get(call: Call) -> Response:
        found = call.relay.catalogue.find(Membership, group=_group(call).name, rank=rank)
        return JSONResponse({f"{rank}s": [one.user for one in found]})

    return get


def has(rank: str) -> Callable[[Call], Response]:
    """Say whether a user is one."""

    def get(call: Call) -> Response:
        one = _membership(call, rank)
        return JSONResponse({"result": one in call.relay.catalogue.find(Membership, group=one.group, user=one.user)})

    return get


def join(rank: str) -> Callable[[Call], Response]:
    """Make a user one."""

    def post(call: Call) -> Response:
        one = _membership(call, rank)
        _must_maintain(call, one.group)
        if one not in call.relay.catalogue.find(Membership, group=one.group):
            call.relay.catalogue.write(add=[one])
        return Response(status_code=204)

    return post


def leave(rank: str) -> Callable[[Call], Response]:
    """Make a user one no more."""

    def delete(call: Call) -> Response:
        one = _membership(call, rank)
        _must_maintain(call, one.group)
        if one in call.relay.catalogue.find(Membership, group=one.group):
            call.relay.catalogue.write(remove=[one])
        return Response(status_code=204)

    return delete


def _group(call: Call) -> Group:
    name = call.path["group"]
    if not call.caller.name:
        raise Refused(Code.MISSING_PERMISSION, f"the group {name} is shown to users only")
    if name in (ADMIN, PUBLIC):
        return Group(name=name)
    try:
        return call.relay.catalogue.get(Group, name)
    except NotFound as error:
        raise Refused(Code.GROUP_NOT_FOUND, f"{name} does not exist.") from error


def _membership(call: Call, rank: str) -> Membership:
    group, user = _group(call), call.path["user"]
    if not call.relay.catalogue.find(User, name=user) and user not in call.relay.access.admins.values():
        raise Refused(Code.USER_NOT_FOUND, f"{user} does not exist.")
    return Membership(group=group.name, user=user, rank=rank)


def _must_maintain(call: Call, group: str) -> None:
    if group == PUBLIC:
        raise Refused(Code.UNABLE_TO_VALIDATE, "everybody is in the group public")
    mine = call.relay.catalogue.find(Membership, group=group, user=call.caller.name, rank="maintainer")
    if not mine and not call.caller.is_admin:
        raise Refused(Code.MISSING_PERMISSION, f"only its maintainers may change who is in the group {group}")
