"""``groups``: groups of users, their members and maintainers."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.accounts import ADMIN, PUBLIC, Group, Membership, User
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.checks import check_name
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.permissions import to_json
from voxome.relay.dialects.boss.records import Grant
from voxome.relay.dialects.boss.roles import RESOURCE_MANAGER

_RANKS = ("member", "maintainer")


def index(call: Call) -> Response:
    """List the caller's groups, or those in which they have the rank ``?filter=``."""
    rank = call.query.get("filter")
    if rank not in (None, *_RANKS):
        raise Refused(Code.UNABLE_TO_VALIDATE, f"filter must be one of {', '.join(_RANKS)}, not {rank}")
    memberships = call.boss.catalogue.find(Membership, user=call.caller.name)
    names = {one.group for one in memberships if rank in (None, one.rank)}
    if rank is None and call.caller.is_admin:
        names |= {one.name for one in call.boss.catalogue.find(Group)}
    return JSONResponse({"groups": sorted(names)})


def get(call: Call) -> Response:
    """Send the name, owner and permissions of a group."""
    group = _group(call)
    grants = call.boss.catalogue.find(Grant, group=group.name)
    return JSONResponse({"name": group.name, "owner": group.owner, "resources": [to_json(one) for one in grants]})


def post(call: Call) -> Response:
    """Create a group; the caller is its first member and maintainer."""
    call.require_role(RESOURCE_MANAGER)
    name, owner = check_name(call.path["group"]), call.caller.name
    ranks = [Membership(group=name, user=owner, rank=rank) for rank in _RANKS]
    try:
        if name in call.boss.reserved_groups:
            raise AlreadyExists(name)
        call.boss.catalogue.write(add=[Group(name=name, owner=owner), *ranks])
    except AlreadyExists as error:
        raise Refused(Code.GROUP_EXISTS, f"A group with name {name} already exists") from error
    return Response(status_code=201)


def delete(call: Call) -> Response:
    """Delete a group and its permissions."""
    call.require_role(RESOURCE_MANAGER)
    group = _group(call)
    if group.name in call.boss.reserved_groups:
        message = f"the group {group.name} is in the configuration of this server; remove it there before"
        raise Refused(Code.UNABLE_TO_VALIDATE, message)
    if group.owner != call.caller.name and not call.caller.is_admin:
        raise Refused(Code.MISSING_PERMISSION, f"only its owner {group.owner} may delete the group {group.name}")
    catalogue = call.boss.catalogue
    rest = [*catalogue.find(Membership, group=group.name), *catalogue.find(Grant, group=group.name)]
    catalogue.write(remove=[*rest, group])
    return Response(status_code=204)


def list_ranked(rank: str) -> Callable[[Call], Response]:
    """Return the handler that lists members or maintainers."""

    def get(call: Call) -> Response:
        found = call.boss.catalogue.find(Membership, group=_group(call).name, rank=rank)
        return JSONResponse({f"{rank}s": [one.user for one in found]})

    return get


def has_rank(rank: str) -> Callable[[Call], Response]:
    """Return the handler that returns whether a user is a member or maintainer."""

    def get(call: Call) -> Response:
        one = _membership(call, rank)
        return JSONResponse({"result": one in call.boss.catalogue.find(Membership, group=one.group, user=one.user)})

    return get


def add_rank(rank: str) -> Callable[[Call], Response]:
    """Return the handler that adds a user as member or maintainer."""

    def post(call: Call) -> Response:
        one = _membership(call, rank)
        _require_maintainer(call, one.group)
        if one not in call.boss.catalogue.find(Membership, group=one.group):
            call.boss.catalogue.write(add=[one])
        return Response(status_code=204)

    return post


def remove_rank(rank: str) -> Callable[[Call], Response]:
    """Return the handler that removes a user as member or maintainer."""

    def delete(call: Call) -> Response:
        one = _membership(call, rank)
        _require_maintainer(call, one.group)
        if one in call.boss.catalogue.find(Membership, group=one.group):
            call.boss.catalogue.write(remove=[one])
        return Response(status_code=204)

    return delete


def _group(call: Call) -> Group:
    name = call.path["group"]
    if not call.caller.name:
        raise Refused(Code.MISSING_PERMISSION, f"the group {name} is visible to users only")
    if name in (ADMIN, PUBLIC):
        return Group(name=name)
    try:
        return call.boss.catalogue.get(Group, name)
    except NotFound as error:
        raise Refused(Code.GROUP_NOT_FOUND, f"{name} does not exist.") from error


def _membership(call: Call, rank: str) -> Membership:
    group, user = _group(call), call.path["user"]
    if not call.boss.catalogue.find(User, name=user) and user not in call.boss.accounts.admins.values():
        raise Refused(Code.USER_NOT_FOUND, f"{user} does not exist.")
    return Membership(group=group.name, user=user, rank=rank)


def _require_maintainer(call: Call, group: str) -> None:
    if group == PUBLIC:
        raise Refused(Code.UNABLE_TO_VALIDATE, "the group public cannot be changed: everybody is in it")
    own = call.boss.catalogue.find(Membership, group=group, user=call.caller.name, rank="maintainer")
    if not own and not call.caller.is_admin:
        raise Refused(Code.MISSING_PERMISSION, f"only its maintainers may change the group {group}")
