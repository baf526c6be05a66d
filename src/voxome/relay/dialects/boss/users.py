"""``sso``: users and their roles."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr
from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.access import ROLES
from voxome.relay.catalogue.records import Membership, Role, Token, User
from voxome.relay.catalogue.secrets import hash_password
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.projects import valid_name


class NewUser(BaseModel):
    """``POST sso/user/…``."""

    first_name: str = ""
    last_name: str = ""
    email: str = ""
    password: SecretStr = SecretStr("")


def get(call: Call) -> Response:
    """Who a user is."""
    _must_manage_or_be(call)
    one = _user(call)
    names = {"username": one.name, "firstName": one.first_name, "lastName": one.last_name, "email": one.email}
    return JSONResponse({**names, "realmRoles": _roles(call)})


def post(call: Call) -> Response:
    """Make a user."""
    call.must_have_role("user-manager")
    given = call.document(NewUser)
    password = given.password.get_secret_value()
    made = User(
        name=valid_name(call.path["user"]),
        first_name=given.first_name,
        last_name=given.last_name,
        email=given.email,
        password=hash_password(password) if password else "",
    )
    try:
        if made.name in call.relay.access.admins.values():
            raise AlreadyExists(made.name)
        call.relay.catalogue.write(add=[made])
    except AlreadyExists as error:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"user {made.name} already exists", 409) from error
    return Response(status_code=201)


def delete(call: Call) -> Response:
    """Delete a user, with roles, tokens and memberships."""
    call.must_have_role("user-manager")
    one, catalogue = _user(call), call.relay.catalogue
    if set(_roles(call)) - {"resource-manager"} and not call.caller.is_admin:
        raise Refused(Code.MISSING_PERMISSION, f"{one.name} manages users: only an admin may delete them")
    rest = (catalogue.find(kind, user=one.name) for kind in (Role, Token, Membership))
    catalogue.write(remove=[*(record for records in rest for record in records), one])
    return Response(status_code=204)


def roles(call: Call) -> Response:
    """The roles of a user; with a role in the path, whether they have it."""
    _must_manage_or_be(call)
    _user(call)
    held = _roles(call)
    return JSONResponse(held if "role" not in call.path else call.path["role"] in held)


def add_role(call: Call) -> Response:
    """Give a user a role."""
    role = _role(call)
    if role.role not in _roles(call):
        call.relay.catalogue.write(add=[role])
    return Response(status_code=201)


def remove_role(call: Call) -> Response:
    """Take a role from a user."""
    role = _role(call)
    if role.role in _roles(call):
        call.relay.catalogue.write(remove=[role])
    return Response(status_code=204)


def _must_manage_or_be(call: Call) -> None:
    if not call.caller.name or call.caller.name != call.path["user"]:
        call.must_have_role("user-manager")


def _user(call: Call) -> User:
    try:
        return call.relay.catalogue.get(User, call.path["user"])
    except NotFound as error:
        raise Refused(Code.USER_NOT_FOUND, f"{call.path['user']} does not exist.") from error


def _roles(call: Call) -> list[str]:
    return [one.role for one in call.relay.catalogue.find(Role, user=call.path["user"])]


def _role(call: Call) -> Role:
    """The role in the path, if the caller may give it: only admins make managers of users, and admins."""
    call.must_have_role("user-manager")
    name = call.path["role"]
    if name not in ROLES or (name != "resource-manager" and not call.caller.is_admin):
        raise Refused(Code.INVALID_ROLE, f"you cannot give or take the role {name}; there are {', '.join(ROLES)}")
    return Role(user=_user(call).name, role=name)
